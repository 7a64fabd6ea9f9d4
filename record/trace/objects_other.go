//go:build linux && !amd64 && !arm64

package trace

var object []byte // there is none for this architecture
