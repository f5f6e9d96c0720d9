// Package imports has only a test: who may import whom in this module. A change
// to its table is a decision, written down in docs/adr.
package imports
