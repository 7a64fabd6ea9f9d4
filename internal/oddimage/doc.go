// Package oddimage holds a table of images that are legal and odd: what real
// builders write and what an attacker can craft. They must come out of lathe
// right. The tests of package layers, of the command line and the end-to-end
// tests go through the same table, with judges of their own.
//
// Each image has a static program /app for an entrypoint in its base layer, so
// that the whole tool can work on it, and a program that nothing uses in each
// other layer, so that each is written anew.
package oddimage
