//! To come with the image builder.

fn main() {}
