package bench

// Shape says what image to generate.
type Shape struct {
	Packages int   // in the package database, spread over two layers
	Files    int   // entries a package, documentation and database files included
	Modules  int   // small files of the application
	Bytes    int64 // of content, about
	Huge     int64 // bytes of one more file, which compresses well; 0 for none
}

// Standard is the image that docs/benchmarks.md is about: 560 MB in four layers
// with about 20,000 entries.
func Standard() Shape { return Shape{Packages: 160, Files: 90, Modules: 5000, Bytes: 560 << 20} }

// Small is an image for benchmarks that are run by hand.
func Small() Shape { return Shape{Packages: 40, Files: 40, Modules: 400, Bytes: 24 << 20} }

// Entries is an image of about n small entries, to see how cost grows.
func Entries(n int) Shape {
	const files = 90
	return Shape{Packages: max(4, n*3/4/files), Files: files, Modules: n / 4, Bytes: int64(n) * 512}
}

// Huge is an image with one file of n bytes.
func Huge(n int64) Shape { return Shape{Packages: 8, Files: 40, Modules: 100, Bytes: 8 << 20, Huge: n} }

const (
	baseUsed = 5  // of the packages in the base layer every fifth is used
	moreUsed = 12 // of those in the second layer every twelfth
)
