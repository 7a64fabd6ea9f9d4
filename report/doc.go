// Package report turns hardening plans into what people and programs read.
//
// A [Report] is plain data: [New] makes it of one [Input] a platform and of what
// the caller did with the plans (a [Job]: where the outputs lie, the signature,
// the network-policy hint). Its JSON, Markdown and terminal forms say the same,
// because they are made of the same value; the shorter forms leave out the tails
// of lists and say how many are left out.
//
// # Totals
//
// Every entry of every layer is in exactly one of four heaps, and so is every
// byte of content:
//
//	input = kept + dropped + rewritten + shadowed
//
// Shadowed are the entries that a later layer hides, and the whiteouts whose
// work is done. Rewritten are the package databases; they count with the size
// that they had. What comes out is
//
//	output = kept + rewritten anew + carried
//
// where carried is the content whose own entry goes while a hard link to it
// stays and carries it from then on. [Measure] counts an image independently of
// any plan, and New gives [ErrTotals] where plan and image disagree: a wrong
// report would be worse than none.
//
// # Text from images
//
// Paths, package names and notes come from images and profiles, which may be
// hostile. On a terminal and in Markdown they are escaped: nothing in a name can
// end a line, move a cursor, change a color, turn the direction of the text or
// become markup. In JSON a path that is not UTF-8 is also there as Base64.
//
// The clock, the environment and the host are never asked: the same plans make
// the same report.
package report
