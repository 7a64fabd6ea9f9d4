// Package scan reads the plain part of JSON, fast.
//
// Logs of events are millions of objects of which a few members matter. A
// [Scanner] walks over such an object, gives the members that its caller asks
// for and passes over the others in steps of eight bytes, without making
// anything of them.
//
// # What it guarantees
//
// It reads less than JSON, and never more: what it takes, a complete decoder
// takes as well and finds the same in it. At the first thing that is wrong or
// rare it fails and says nothing of why: an escape in a text that is wanted, bytes
// that are not UTF-8, a fraction where a whole number is expected, a member of an
// unexpected type, objects in objects 60 deep. The caller then gives the same
// bytes to a complete decoder, which has the error messages too. So a reader that
// uses it changes how long something takes and never what comes of it, which each
// reader shows by a fuzz test of both ways.
//
// What is passed over is checked like everything else: an object that is not
// JSON to its last byte is not taken.
//
// Members that come twice are the caller's: as long as it assigns what it reads
// to the same place, the last counts, as with other decoders.
//
// # Repetition
//
// In logs whole objects come again byte for byte, such as the description of a
// container. A [Memo] keeps some of them with what they were decoded to. Texts
// that come again are one string.
package scan
