// Package inflate reads gzip streams (RFC 1952, RFC 1951), several members
// one after another included.
//
// Reading an image is mostly inflating it, so this is where the time of a run
// goes. The decoder keeps 56 to 63 bits of input in a register, looks one symbol
// up with 11 bits at once, and copies matches eight bytes at a time. Input and
// output each have one buffer that holds more than any single step needs, so the
// inner loop tests twice a symbol, not at every byte: near the end of the
// input the buffer is filled up with zeros, and reading into them is found when
// the loop is left.
//
// It takes and refuses the streams that compress/gzip takes and refuses, which
// a fuzz target compares. Its memory does not depend on the input.
package inflate
