// Package sqltext reads this repository's code and finds the statements that are no
// constants: text that reaches a database as SQL and was put together from anything
// else than constants. Linters look at one expression; this follows a text through
// variables, fields, parameters, closures and returned values.
package sqltext
