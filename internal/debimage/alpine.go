package debimage

import (
	"path/filepath"
	"runtime"
	"slices"
)

// FindAlpine returns the newest Alpine minirootfs archive for this
// architecture in shared/images beside dir or one of its parents, "" when
// there is none.
func FindAlpine(dir string) string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	abs, err := filepath.Abs(dir)
	if err != nil || arch == "" {
		return ""
	}
	for {
		parent := filepath.Dir(abs)
		found, err := filepath.Glob(filepath.Join(parent, "shared", "images", "alpine-minirootfs-*-"+arch+".tar.gz"))
		if err == nil && len(found) > 0 {
			return slices.Max(found)
		}
		if parent == abs {
			return ""
		}
		abs = parent
	}
}
