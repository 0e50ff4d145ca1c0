"""What is kept between the nights: rows that were sent in, keys, alerts, and who did what."""
