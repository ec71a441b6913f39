"""What follows behind the client's answer: copies, judged, and what is kept of them."""
