// Package foreign is what importers of other systems' evidence share.
//
// A [Format] is one row of the table in package formats: a name, a look at the
// first bytes of a file, and a function that makes a profile of it. Everything
// that is the same for all formats is here: files that are plain, gzip or zstd
// ([Open]), JSON as lines, pretty, concatenated or in arrays and YAML of several
// documents ([Log.Records], [Log.Objects]), the description of the source
// ([Log.Source]), and the choice of one container where a stream holds several
// ([Containers]).
//
// # Damage
//
// A log that was cut off, interleaved or edited still has good records. Those
// are used. A record that is not JSON, or that its format cannot decode, is
// counted in the source's input, and the first few are named in its notes with
// file, line and what is wrong. A log of which no record is good is an error.
//
// # Memory
//
// Records are read one at a time and are no larger than 4 MiB; what is longer
// is passed over and counted as damage. Objects are read whole, within
// [profile.Limits].
//
// # Identity
//
// The sum of a source's input is over the decompressed bytes: a log and the
// same log compressed are one source.
package foreign
