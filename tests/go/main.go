// A verifier of logs, envelopes and bundles of evidence that shares no code with detente: Go's own transparency-log
// packages (golang.org/x/mod/sumdb/{tlog,note}), crypto/hpke and crypto/mldsa.
//
//	verify log DIR POLICY [OLDER...]             older heads, oldest first
//	verify envelope FILE SIGNER-HEX SEED-HEX     prints the opened body
//	verify bundle FILE POLICY GENESIS-HEX        a bundle of evidence
//
// Ends with 3 and one line of JSON about the first thing that is wrong.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// damage is what is wrong, and where.
type damage struct {
	File  string `json:"file"`
	Index *int64 `json:"index,omitempty"`
	Why   string `json:"why"`
}

func fail(file, format string, args ...any) {
	panic(damage{File: file, Why: fmt.Sprintf(format, args...)})
}

func failAt(file string, index int64, format string, args ...any) {
	panic(damage{File: file, Index: &index, Why: fmt.Sprintf(format, args...)})
}

func main() {
	defer func() {
		switch wrong := recover().(type) {
		case nil:
		case damage:
			json.NewEncoder(os.Stdout).Encode(wrong)
			os.Exit(3)
		default:
			panic(wrong)
		}
	}()
	switch args := os.Args[1:]; {
	case len(args) >= 3 && args[0] == "log":
		verifyLog(args[1], args[2], args[3:])
	case len(args) == 4 && args[0] == "envelope":
		verifyEnvelope(args[1], args[2], args[3])
	case len(args) == 4 && args[0] == "bundle":
		verifyBundle(args[1], args[2], args[3])
	default:
		fmt.Fprintln(os.Stderr, "verify log DIR POLICY [OLDER...] | verify envelope FILE KEY SEED | verify bundle FILE POLICY GENESIS")
		os.Exit(2)
	}
}
