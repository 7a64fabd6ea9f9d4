package trace

import _ "embed"

//go:embed objects/arm64.o
var object []byte
