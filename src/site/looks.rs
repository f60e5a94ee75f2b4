//! Style attributes made into classes: the site's content policy allows no styles but those of its own sheets, so that a browser would ignore what the
//! makers of tables and formulas write into theirs. `details.css` has the classes.

/// A declaration and its class. The others are left out: some say the same as one of these, and of colours the site has its own.
const CLASSES: [(&str, &str); 16] = [
    ("text-align: left", "to-start"),
    ("text-align: right", "to-end"),
    ("text-align: center", "to-middle"),
    ("padding-left: 0", "flush-start"),
    ("padding-right: 0", "flush-end"),
    ("padding-left:1em", "apart"),
    ("padding-top: 0", "low"),
    ("border-left: 0.05em solid currentcolor", "line-start"),
    ("border-left: 0.05em dashed currentcolor", "dashes-start"),
    ("border-right: 0.05em solid currentcolor", "line-end"),
    ("border-right: 0.05em dashed currentcolor", "dashes-end"),
    ("font-variant-caps: small-caps", "small-caps"),
    ("visibility:hidden", "unseen"),
    ("width: 100%", "whole"),
    ("width: 50%", "half"),
    ("width: 7.5%", "narrow"),
];

/// Where an attribute of style begins.
const STYLE: &str = " style=\"";

/// Markup of a maker's, whose texts are escaped, with classes in place of styles.
#[must_use]
pub(super) fn by_class(markup: &str) -> String {
    let mut parts = markup.split('<');
    let mut out = String::with_capacity(markup.len());
    out.extend(parts.next());
    for part in parts {
        let (tag, text) = part.split_at(part.find('>').unwrap_or(part.len()));
        out.push('<');
        match tag.split_once(STYLE).and_then(|(before, rest)| Some((before, rest.split_once('"')?))) {
            Some((before, (styles, after))) => {
                out.push_str(before);
                let class = classes(styles);
                if !class.is_empty() {
                    out.push_str(&format!(" class=\"{class}\""));
                }
                out.push_str(after);
            }
            None => out.push_str(tag),
        }
        out.push_str(text);
    }
    out
}

fn classes(styles: &str) -> String {
    let known = |style: &str| CLASSES.iter().find(|(known, _)| *known == style.trim()).map(|(_, class)| *class);
    styles.split(';').filter_map(known).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_become_classes_in_tags_and_texts_stay() {
        assert_eq!(
            by_class("<td style=\"text-align: right\">a style=\"text-align: left\"</td><b>x</b>"),
            "<td class=\"to-end\">a style=\"text-align: left\"</td><b>x</b>"
        );
        assert_eq!(
            by_class("<mtd style=\"text-align: left;justify-items: start;padding-right: 0;\"><mn>1</mn></mtd>"),
            "<mtd class=\"to-start flush-end\"><mn>1</mn></mtd>"
        );
        assert_eq!(by_class("<mrow style=\"color:#000000;\">x<i"), "<mrow>x<i");
        assert_eq!(by_class("a > b"), "a > b");
    }
}
