//! statement.md made into HTML: CommonMark with tables, footnotes and formulas. HTML in it stays text, so that whoever edits the task
//! cannot break the page or bring anything foreign into it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use serde::Serialize;

use super::looks::by_class;

/// More than this of it is not read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A task's description, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Safe to be put into a page as it is.
    pub html: String,
    /// Whether it begins with a title of its own.
    pub titled: bool,
    /// Its sections, for a table of contents.
    pub sections: Vec<Section>,
}

/// A section of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What the address of the section ends with, behind `#`.
    pub id: String,
    /// Its heading.
    pub text: String,
}

/// Reads a statement; `None` where there is none that can be read.
#[must_use]
pub(super) fn read(path: &Path) -> Option<Statement> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(statement(&String::from_utf8_lossy(&bytes)))
}

fn statement(text: &str) -> Statement {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH;
    let formulas = LatexToMathML::new(MathCoreConfig::default()).ok();
    let given: Vec<Event<'_>> = Parser::new_ext(text, options).collect();
    let titled = matches!(given.first(), Some(Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })));
    let mut ids = Ids::default();
    let mut sections = Vec::new();
    let mut events = Vec::with_capacity(given.len());
    let mut links = Vec::new();
    for (index, event) in given.iter().enumerate() {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => events.push(Event::Text(html.clone())),
            Event::InlineMath(latex) => events.push(formula(formulas.as_ref(), latex, MathDisplay::Inline)),
            Event::DisplayMath(latex) => events.push(formula(formulas.as_ref(), latex, MathDisplay::Block)),
            Event::Start(Tag::Heading { level, .. }) => {
                let words = heading(&given[index + 1..]);
                let id = ids.of(&words);
                if *level == HeadingLevel::H2 {
                    sections.push(Section { id: id.clone(), text: words });
                }
                let (classes, attrs) = (Vec::new(), Vec::new());
                events.push(Event::Start(Tag::Heading { level: *level, id: Some(id.into()), classes, attrs }));
            }
            // What is wider than the page scrolls by itself, by keyboard too.
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented)) => {
                events.push(own("<pre tabindex=\"0\"><code>"));
            }
            Event::End(TagEnd::CodeBlock) => events.push(own("</code></pre>\n")),
            Event::Start(table @ Tag::Table(_)) => {
                events.push(own("<div class=\"wide\" tabindex=\"0\">"));
                events.push(Event::Start(table.clone()));
            }
            Event::End(TagEnd::Table) => {
                events.push(Event::End(TagEnd::Table));
                events.push(own("</div>\n"));
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let kept = is_harmless(dest_url);
                links.push(kept);
                if kept {
                    events.push(event.clone());
                }
            }
            Event::End(TagEnd::Link) => {
                if links.pop() == Some(true) {
                    events.push(event.clone());
                }
            }
            // The site shows no pictures that are not its own: what they are called stays.
            Event::Start(Tag::Image { .. }) => events.push(Event::Text("[".into())),
            Event::End(TagEnd::Image) => events.push(Event::Text("]".into())),
            _ => events.push(event.clone()),
        }
    }
    let mut html = String::new();
    html::push_html(&mut html, events.into_iter());
    Statement { html: by_class(&html), titled, sections }
}

/// Markup of this program's own.
fn own(html: &'static str) -> Event<'static> {
    Event::Html(CowStr::Borrowed(html))
}

/// A formula as MathML; as it was written where it is none.
fn formula<'t>(formulas: Option<&LatexToMathML>, latex: &CowStr<'t>, display: MathDisplay) -> Event<'t> {
    match formulas.map(|formulas| formulas.convert_with_local_counter(latex, display)) {
        // What stands on lines of its own may be wider than the page, and scrolls as tables do.
        Some(Ok(mathml)) if matches!(display, MathDisplay::Block) => {
            Event::InlineHtml(format!("<span class=\"formula\" tabindex=\"0\">{mathml}</span>").into())
        }
        Some(Ok(mathml)) => Event::InlineHtml(mathml.into()),
        Some(Err(_)) | None => Event::Code(latex.clone()),
    }
}

/// What a heading says, from the event behind its start.
fn heading(events: &[Event<'_>]) -> String {
    let inside = events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside
        .filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(text.as_ref()) } else { None })
        .collect()
}

/// Whether a link leads to a place on this site or to another one, and runs nothing.
fn is_harmless(address: &str) -> bool {
    let scheme = address.split(['/', '?', '#']).next().unwrap_or_default();
    match scheme.split_once(':') {
        None => true,
        Some((scheme, _)) => ["http", "https", "mailto", "sftp", "ssh"].contains(&scheme.to_ascii_lowercase().as_str()),
    }
}

/// Names of sections, each once.
#[derive(Default)]
struct Ids(BTreeMap<String, usize>);

impl Ids {
    /// Of the words' letters and digits; never one that the page itself uses.
    fn of(&mut self, words: &str) -> String {
        let plain: String = words.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let plain = format!("about-{}", plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-"));
        let seen = self.0.entry(plain.clone()).or_default();
        *seen += 1;
        if *seen == 1 { plain } else { format!("{plain}.{seen}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        statement(text).html
    }

    #[test]
    fn tables_code_and_sections_are_shown() {
        let statement = statement(
            "# Coins\n\n## The task\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```json\n{\"a\": \"<b>\"}\n```\n\n## The task\n",
        );
        assert!(statement.titled);
        assert_eq!(
            statement.sections.iter().map(|section| section.id.as_str()).collect::<Vec<_>>(),
            ["about-the-task", "about-the-task.2"]
        );
        assert!(statement.html.contains("<div class=\"wide\" tabindex=\"0\"><table>"), "{}", statement.html);
        assert!(
            statement.html.contains("<pre tabindex=\"0\"><code>{\"a\": \"&lt;b&gt;\"}\n</code></pre>"),
            "{}",
            statement.html
        );
        let aligned = html("| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |\n");
        assert!(aligned.contains("<td class=\"to-middle\">2</td><td class=\"to-end\">3</td>"), "{aligned}");
        assert!(!html("plain").contains('#') && !super::statement("plain").titled);
    }

    #[test]
    fn html_stays_text_and_no_link_runs_anything() {
        for evil in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x]( data:text/html,<script>alert(1)</script>)",
            "<javascript:alert(1)>",
            "![x](https://example.org/a.png \"t\")",
            "$\\text{<script>alert(1)</script>}$",
            "$\\href{javascript:alert(1)}{x}$",
            "$<img src=x onerror=alert(1)>$",
            "## <script>alert(1)</script>",
            "```\"><script>alert(1)</script>\n```",
            "| <script> |\n|---|\n| </td><script>alert(1)</script> |",
        ] {
            let html = html(evil);
            for tag in ["<script", "<img", "href=\"java", "href=\"data", "href=\"JaVa", "<a href=\"x\" on"] {
                assert!(!html.contains(tag), "{evil:?} gave {html:?}");
            }
        }
        assert!(html("[x](https://example.org/?a=b:c#d) [y](u/ann/index.html)").matches("<a href").count() == 2);
    }

    #[test]
    fn formulas_are_mathml_and_what_is_none_is_shown_as_written() {
        assert!(html("$x^2$").contains("<math><msup><mi>x</mi><mn>2</mn></msup></math>"), "{}", html("$x^2$"));
        assert!(
            html("$$\\sum_{i=1}^n i$$").contains("<span class=\"formula\" tabindex=\"0\"><math display=\"block\">")
        );
        assert!(html("$\\nonsense{a}$").contains("<code>\\nonsense{a}</code>"), "{}", html("$\\nonsense{a}$"));
        assert!(html("it costs $5 and $6").contains("it costs $5 and $6"));
        let cases = html("$$\\begin{cases} 1 & x > 0 \\\\ 0 \\end{cases}$$");
        assert!(cases.contains("<mtd class=\"to-start flush-end\">") && !cases.contains("style="), "{cases}");
        let align = html("$$\\begin{align*} x &= 1 \\\\ y &= 2 \\end{align*}$$");
        assert!(align.contains("class=\"whole\"") && align.contains("<mtd class=\"half\">"), "{align}");
        assert!(!align.contains(" style="), "{align}");
    }
}
