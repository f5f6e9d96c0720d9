// Package portal is the pages on which the holder of keys looks at them, and makes,
// rolls and revokes them, as far as the link says by which it came. They have a
// listener and an origin of their own: no page of the protected API is of the same
// origin, so that no script there reads them.
//
// A link is exchanged for a session by a form, and by nothing else: programs that look
// at links in mail ask for the page and use nothing up. The text of a link is behind the
// "#" of its address, which browsers do not send, and the cookie of a session is the
// only secret afterwards. Every page without JavaScript works.
//
// What a holder may do is judged here and nowhere else, for one owner: the pass says
// whose keys, and a key of anybody else is not there.
package portal
