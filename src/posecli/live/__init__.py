"""A live session, as `posecli webcam` has it: keys, recordings, text over the picture, the size that holds a rate."""
