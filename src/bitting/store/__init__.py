"""The database: tables, migrations and queries; SQLite and PostgreSQL behind one contract."""
