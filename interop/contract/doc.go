// Package contract has only tests: what package contract takes and refuses,
// compared with validators of others.
package contract
