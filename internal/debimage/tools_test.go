package debimage

import (
	"strings"
	"testing"
)

// TestMissingTools names what to install.
func TestMissingTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := checkTools(); err == nil || !strings.Contains(err.Error(), "apt-get install mmdebstrap") {
		t.Errorf("got %v, want what to install", err)
	}
}
