// Package strace turns strace's text into a runtime profile.
package strace
