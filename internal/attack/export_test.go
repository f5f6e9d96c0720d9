package attack

// AbsentIDs are the cases and areas that have no place at some ways in.
func AbsentIDs() (ids []string) {
	for _, a := range absences() {
		ids = append(ids, a.ids...)
	}
	return ids
}
