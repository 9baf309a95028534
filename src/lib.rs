//! `detente`: a 24/7 directory of points of contact and an incident relay between national desks.
//!
//! Everything enters as a **command**, is settled as a **record**, and leaves through a
//! **follower**.
//!
//! The modules, in reading order; each uses only those above it.

// -- I. What is true: values in, values out
pub mod units;
pub mod wire;
pub mod tlog;
pub mod envelope;
pub mod rules;

// -- II. What is kept
pub mod codec;
pub mod journal;
pub mod views;
pub mod tables;
pub mod backup;
pub mod audit;
pub mod evidence;

// -- III. What happens
pub mod identity;
pub mod relay;
pub mod desk;

// -- IV. Who speaks with it
pub mod cosign;
pub mod grpc;
pub mod web;

// -- V. How it is run
pub mod config;
pub mod telemetry;
pub mod pki;
pub mod service;
pub mod doctor;
pub mod testkit;
pub mod story;
pub mod cli;
