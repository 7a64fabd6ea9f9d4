package harden

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseShebang(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"#!/bin/sh":                      {"/bin/sh"},
		"#! /bin/sh -e\nrest":            {"/bin/sh", "-e"},
		"#!/usr/bin/env python3\n":       {"/usr/bin/env", "python3"},
		"#!/usr/bin/env -S python3 -u\n": {"/usr/bin/env", "-S python3 -u"},
		"#!\t/bin/sh\t-x\n":              {"/bin/sh", "-x"},
		"#!/bin/sh\r\n":                  {"/bin/sh"},
		"#!":                             {},
		"#!  \n":                         {},
	} {
		if diff := cmp.Diff(want, parseShebang([]byte(line))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
}

func TestEnvCommand(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"python3":                 "python3",
		"-S python3 -u":           "python3",
		"-Spython3":               "python3",
		"-S A=1 B=2 ruby":         "ruby",
		"-S -i perl -w":           "perl",
		"-S -u HOME node":         "node",
		"-vS node --trace":        "node",
		"--split-string=node --x": "node",
		`-S "node" x`:             "node",
		"python3 -u":              "", // the kernel gives env one word: there is no such program
		"-i":                      "",
		"A=1":                     "",
		"-S":                      "",
	} {
		if got := envCommand(arg); got != want {
			t.Errorf("%q: got %q, want %q", arg, got, want)
		}
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rule, path string
		want       bool
	}{
		{"usr/bin/curl", "usr/bin/curl", true},
		{"usr/bin", "usr/bin/curl", true},
		{"usr/bin/c*", "usr/bin/curl", true},
		{"usr/bin/c*", "usr/bin/wget", false},
		{"usr/*/curl", "usr/bin/curl", true},
		{"usr/*", "usr/bin/x/y", true},
		{"**/curl", "curl", true},
		{"**/curl", "usr/bin/curl", true},
		{"**/*.py", "srv/app/a.py", true},
		{"srv/**/x", "srv/x", true},
		{"srv/**/x", "srv/a/b/x", true},
		{"srv/**/x", "srv/a/b/y", false},
		{"usr/b[ia]n", "usr/bin", true},
		{"usr/bin", "usr/binary", false},
		{"srv/**", "srv", true},
		{"s[r]v/x*", "srv/xy", true},
		{"**/a?cd*", "x/abcde/f", true},
		{"**/a?cd*", "x/abdce/f", false},
		{`**/a\*`, "x/a*", true},
		{strings.Repeat("**/", 8) + "z", strings.Repeat("a/", 200) + "b", false},
	} {
		if got := newPattern(tc.rule).match(tc.path); got != tc.want {
			t.Errorf("%q, %q: got %v", tc.rule, tc.path, got)
		}
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"sh": "shell", "bash": "shell", "curl": "downloader", "apt-get": "package manager", "dpkg-divert": "package manager",
		"python3.11": "interpreter", "perl5.36.0": "interpreter", "gcc-12": "compiler", "nc.openbsd": "network tool", "crond": "scheduler",
		"nginx": "", "server": "", "chromium": "",
	} {
		c, _ := newCatalogue().of(name, false)
		if c.Name != want {
			t.Errorf("%s: got %q, want %q", name, c.Name, want)
		}
	}
	if c, _ := newCatalogue().of("unheard-of", true); c.Name != "setuid" {
		t.Errorf("a setuid program without a class: got %q", c.Name)
	}
	for _, c := range Classes() {
		if c.Name == "" || c.Use == "" || !strings.HasPrefix(c.Technique, "T1") {
			t.Errorf("an incomplete class: %+v", c)
		}
	}
}

func TestComparePaths(t *testing.T) {
	t.Parallel()
	want := []string{"a", "a/b", "a/b/c", "a-b", "a.b", "ab", "b"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, comparePaths)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
