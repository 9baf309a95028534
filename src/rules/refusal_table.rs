//! The macro that turns the table of refusals into an enum with its codes, causes and next actions.
//!
//! Not the table (see `refusal.rs`).

/// Declares the refusals: one row each.
macro_rules! refusals {
    ($(
        $(#[$doc:meta])*
        $variant:ident $( { $( $name:ident : $type:ty ),+ $(,)? } )?
        = $code:literal $reason:literal $class:ident $field:expr;
        $cause:literal;
        $next:literal;
    )+) => {
        /// A refusal: nothing is recorded, nothing has changed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the fields are the values that the cause names")]
        pub enum Refusal {
            $(
                $(#[$doc])*
                #[doc = concat!("`", $code, "` `", $reason, "`; next: ", $next, ".")]
                $variant $( { $( $name : $type ),+ } )?
            ),+
        }

        impl Refusal {
            /// Every code with its reason, in order.
            pub const CODES: &'static [(&'static str, &'static str)] =
                &[ $( ($code, $reason) ),+ ];

            /// The permanent code ("R-106").
            pub const fn code(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $code ),+ }
            }

            /// The permanent reason ("UNKNOWN_RECIPIENT").
            pub const fn reason(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $reason ),+ }
            }

            /// What sort of no it is.
            pub const fn class(&self) -> Class {
                match self { $( Self::$variant { .. } => Class::$class ),+ }
            }

            /// The field that it is about, as a path, where there is one.
            pub const fn field(&self) -> Option<&'static str> {
                match self { $( Self::$variant { .. } => $field ),+ }
            }

            /// Why, with the values at hand.
            pub fn cause(&self) -> String {
                match self { $( Self::$variant $( { $( $name ),+ } )? => format!($cause) ),+ }
            }

            /// What to do next.
            pub const fn next_action(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $next ),+ }
            }
        }
    };
}

pub(super) use refusals;
