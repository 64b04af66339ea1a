use splats::*;
#[test]
fn show() {
    for f in std::fs::read_dir("/work/shared/logs/splats").unwrap() {
        let f = f.unwrap().path();
        let mut s = TextScanner::new();
        s.push(&std::fs::read(&f).unwrap());
        println!("== {}", f.display());
        for s in s.finish().0 {
            println!("{}-{} {} {} {:?} | {} | {:?} | {:?} || {}", s.first_line, s.last_line, s.class, s.severity, s.fingerprint, s.title, s.panic, s.message, s.frames.iter().map(|f| f.to_string()).collect::<Vec<_>>().join(" "));
        }
    }
}
