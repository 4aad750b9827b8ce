//! A theme over HTTP: its files are served, and a server whose theme has mistakes is not built.

use coatroom::Coatroom;
use coatroom::pages::{Theme, ThemeColour};

use super::browser::{Browser, attribute};
use super::client::{Client, get};
use super::world::World;
use crate::pages::attributes;

#[tokio::test]
async fn what_a_page_refers_to_is_served() {
    let theme = Theme::new()
        .with_name("Acme")
        .with_logo("<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
        .with_colour(ThemeColour::Accent, "#8a1538");
    let world = World::with(|_| (), |builder| builder.theme(theme)).await;
    let client = Client::register(&world.app).await;
    let consent = Browser::new(&world.app).ask(&client.authorize_url(&[])).await;
    let sheet = attribute(&consent.page.body, "<link rel=\"stylesheet\" href=\"").unwrap();
    let logo = attributes(&consent.page.body, "src").remove(0);
    for (path, media_type, part) in
        [(sheet, "text/css; charset=utf-8", "--accent:#8a1538"), (logo, "image/svg+xml", "<svg")]
    {
        let answer = get(&world.app, &path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert!(answer.header("content-security-policy").unwrap().contains("sandbox"));
        assert!(answer.body.contains(part), "{path}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_theme_is_a_reason_not_to_build() {
    let theme = Theme::new().with_name("").with_colour(ThemeColour::Text, "#ffffff");
    let error = Coatroom::builder("https://gate.example").theme(theme).build().unwrap_err();
    for problem in
        ["no store is set", "the theme's name: it is empty", "the theme's colours.text: the text #ffffff on"]
    {
        assert!(error.problems.iter().any(|said| said.starts_with(problem)), "{problem}: {error}");
    }
}
