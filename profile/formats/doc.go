// Package formats is the table of the formats of evidence that can be imported,
// and the import of files by it. A new format is a package of its own and a
// line in [All].
package formats
