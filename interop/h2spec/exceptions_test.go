package h2spec_test

// exceptions are the cases that fail, each with its reason. Nothing of what they
// send reaches a handler.
func exceptions() map[string]string {
	const answered = "net/http answers 400 before it ends the stream, which RFC 9113, section 8.1.1 allows and h2spec does not know: golang.org/issue/26321"
	return map[string]string{
		"http2/6.5.3/1":   "net/http ends connections whose SETTINGS name a parameter twice, which RFC 9113, section 6.5.3 has it process: golang.org/issue/56760",
		"http2/8.1.2.2/1": answered,
		"http2/8.1.2.2/2": answered,
	}
}
