//! A figure whose points can be read off, by pointer and by keyboard.

use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::html::Div;
use leptos::prelude::*;
use shared_model::figures::{Figure, ReadOut};

use explorer::nearest::{nearest, next};

/// The figure; `name` says what it shows. Who clicks on a point, or presses Enter, picks it.
#[component]
pub fn ReadableFigure(
    name: String,
    figure: Signal<Figure>,
    #[prop(optional)] pick: Option<Callback<usize>>,
) -> impl IntoView {
    let drawing = NodeRef::<Div>::new();
    let at = RwSignal::new(None::<usize>);
    let point = move || -> Option<ReadOut> { figure.with(|figure| figure.points.get(at.get()?).cloned()) };
    let svg = move || drawing.get()?.query_selector("figure > svg").ok().flatten();
    let follow = move |event: PointerEvent| {
        if let Some(svg) = svg() {
            let area = svg.get_bounding_client_rect();
            let x = (f64::from(event.client_x()) - area.left()) / area.width();
            let y = (f64::from(event.client_y()) - area.top()) / area.height();
            at.set(figure.with(|figure| nearest(figure, x, y)).filter(|_| (0.0..=1.0).contains(&y)));
        }
    };
    let choose = move || {
        if let Some((pick, at)) = pick.zip(at.get_untracked()) {
            pick.run(at);
        }
    };
    let keys = move |event: KeyboardEvent| {
        if event.key() == "Enter" {
            choose();
        }
        let count = figure.with(|figure| figure.points.len());
        if let Some(to) = next(&event.key(), at.get_untracked(), count) {
            event.prevent_default();
            at.set(Some(to));
        }
    };
    // The mark lies over the drawing, which is below its caption.
    let place = move |share: fn(&ReadOut) -> f64,
                      start: fn(&web_sys::Element) -> f64,
                      size: fn(&web_sys::DomRect) -> f64| {
        let (point, svg) = (point()?, svg()?);
        let outer = drawing.get()?;
        let offset = start(&svg) - start(&outer);
        Some(format!("{:.1}px", offset + share(&point) * size(&svg.get_bounding_client_rect())))
    };
    view! {
        <div
            class="figure"
            tabindex="0"
            role="group"
            aria-label=format!("{name}: arrow keys read values")
            class:pickable=pick.is_some()
            on:pointermove=follow
            on:click=move |_| choose()
            on:pointerleave=move |_| at.set(None)
            on:blur=move |_| at.set(None)
            on:keydown=keys
        >
            <div node_ref=drawing inner_html=move || figure.with(|figure| figure.html.clone())></div>
            <span
                class="read-mark"
                aria-hidden="true"
                hidden=move || at.get().is_none()
                style:left=move || place(|point| point.x, |element| element.get_bounding_client_rect().left(), |area| area.width())
                style:top=move || place(|point| point.y, |element| element.get_bounding_client_rect().top(), |area| area.height())
            ></span>
            <p class="read-out" role="status">{move || point().map(|point| point.text)}</p>
        </div>
    }
}
