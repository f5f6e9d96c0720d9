package sqlite

// Stepping returns s with pages that look at no more than some keys, and where no more
// than one is few.
func Stepping(s *APIKeys, some int) *APIKeys {
	steps := *s
	steps.bounds = bounds{index: some, rows: some, few: 1}
	return &steps
}

// SteppingOwners returns the store of owners with pages that look at no more than some
// records for a text.
func SteppingOwners(db *DB, some int) *Owners { return &Owners{db: db, looks: some} }
