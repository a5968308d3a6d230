"""The search room indexes and queries; one language, terms and hit reports."""
