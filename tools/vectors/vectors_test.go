package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/tools/vectors/transcript"
)

// TestVectorsAreTrue follows every script again and wants the same to come of
// it. A libzmq of another version may differ where it has been mended.
func TestVectorsAreTrue(t *testing.T) {
	interpreter, err := python()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	paths, err := filepath.Glob("../../zmtp/testdata/vectors/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := capture(interpreter, string(old))
			if err != nil {
				t.Fatal(err)
			}
			if recorded, now := version(t, string(old)), version(t, got); recorded != now {
				t.Logf("recorded with %s, and this is %s", recorded, now)
				return
			}
			if got != string(old) {
				t.Errorf("libzmq does now:\n%s", got)
			}
		})
	}
}

func version(t *testing.T, text string) string {
	steps, err := transcript.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range steps {
		if steps[i].Verb == "libzmq" {
			return steps[i].Text
		}
	}
	t.Fatal("no version of libzmq in the transcript")
	return ""
}

// TestCaptureFails has scripts that cannot be followed.
func TestCaptureFails(t *testing.T) {
	interpreter, err := python()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for want, script := range map[string]string{
		"cannot say nothing": "socket PAIR\npeer PAIR 3.1\n< nothing\n",
		"unknown step":       "socket PAIR\nthen what\n",
		"libzmq: subscribe":  "socket PAIR\npeer PAIR 3.1\n> subscribe \"A\"\n",
		"line 2":             "socket PAIR\n  zz\n",
		"invalid syntax":     "socket PAIR\npeer PAIR x\n",
	} {
		if _, err := capture(interpreter, script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
	}
}
