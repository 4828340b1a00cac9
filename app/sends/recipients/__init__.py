"""Who gets a send: audiences found anew, and lists made for each person."""
