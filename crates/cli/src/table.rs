//! Tables for people: aligned columns without lines, on any terminal and in a pipe.

use comfy_table::{Table, TableComponent, presets::NOTHING};

use crate::terminal::{Paint, harmless};

/// Rows under a heading. What came from a server is made harmless here.
pub(crate) fn table<const N: usize>(paint: Paint, heading: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).remove_style(TableComponent::HeaderLines);
    table.set_header(heading.map(|name| paint.faint(name)));
    for row in rows {
        table.add_row(row.map(|cell| harmless(&cell)));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_also_with_wide_letters() {
        let shown = table(
            Paint::plain(),
            ["who", "what"],
            vec![["世界".to_owned(), "a\u{1b}".to_owned()], ["bob".to_owned(), "b".to_owned()]],
        );
        assert_eq!(shown, " who   what\n 世界  a\\u{1b}\n bob   b");
    }
}
