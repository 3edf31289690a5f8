fn other() {}
// ANCHOR: main
fn main() {}
// ANCHOR_END: main
