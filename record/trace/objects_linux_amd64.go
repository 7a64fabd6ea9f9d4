package trace

import _ "embed"

//go:embed objects/amd64.o
var object []byte
