package scan

// maxDepth is how deep objects and arrays may be in one that is passed over.
const maxDepth = 60

// pastValue is the index behind the value at i, or -1 where it is not JSON or
// too deep. It knows in which of the objects and arrays around it is by a bit for
// each.
func pastValue(d []byte, i int) int {
	var objects uint64
	depth := 0
	for {
		i = pastSpace(d, i)
		switch c := byteAt(d, i); c {
		case '{', '[':
			depth++
			if objects <<= 1; c == '{' {
				objects |= 1
			}
			if depth > maxDepth {
				return -1
			}
			i = pastSpace(d, i+1)
			if byteAt(d, i) != c+2 { // the brace that closes
				if c == '{' {
					i = pastName(d, i)
				}
				break
			}
			depth--
			objects >>= 1
			i = pastClosings(d, i+1, &depth, &objects)
		default:
			i = pastClosings(d, pastScalar(d, i, c), &depth, &objects)
		}
		if i < 0 || depth == 0 {
			return i
		}
	}
}

// pastClosings is the index of the next value in what is around the value that
// ends at i, or behind the outermost when everything is closed. It is -1 for what
// is not JSON.
func pastClosings(d []byte, i int, depth *int, objects *uint64) int {
	for i >= 0 && *depth > 0 {
		i = pastSpace(d, i)
		inObject := *objects&1 != 0
		switch c := byteAt(d, i); {
		case c == ',' && inObject:
			return pastName(d, pastSpace(d, i+1))
		case c == ',':
			return i + 1
		case c == '}' && inObject, c == ']' && !inObject:
			i++
			*depth--
			*objects >>= 1
		default:
			return -1
		}
	}
	return i
}

// pastName is the index behind the name at i and its colon, or -1.
func pastName(d []byte, i int) int {
	if byteAt(d, i) != '"' {
		return -1
	}
	if i = pastText(d, i+1); i < 0 {
		return -1
	}
	if i = pastSpace(d, i); byteAt(d, i) != ':' {
		return -1
	}
	return i + 1
}

// pastScalar is the index behind the text, number or word at i, of which c is
// the first byte, or -1.
func pastScalar(d []byte, i int, c byte) int {
	switch c {
	case '"':
		return pastText(d, i+1)
	case 't':
		return pastWord(d, i, "true")
	case 'f':
		return pastWord(d, i, "false")
	case 'n':
		return pastWord(d, i, "null")
	default:
		return pastNumber(d, i)
	}
}
