module github.com/warder-dev/warder/interop

go 1.26.0

require github.com/warder-dev/warder v0.0.0

replace github.com/warder-dev/warder => ../
