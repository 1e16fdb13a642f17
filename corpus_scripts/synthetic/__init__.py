"""Small invented corpora in the file formats of real ones: the project runs where no data may go."""
