"""The tables, as peewee knows them. Migrations create them."""
