//! The colours of numbers: viridis, which survives colour blindness and grey printing.

/// Viridis at 0, 1/8, …, 1 (red, green, blue).
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// A cell's background and the text colour that reads best on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellColour {
    /// CSS colour of the background.
    pub background: String,
    /// CSS colour of the text.
    pub text: &'static str,
}

/// The colour of a share between 0 and 1.
pub fn viridis(share: f32) -> CellColour {
    let position = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f32;
    // NaN lands on the first colour.
    let below = (position as usize).min(VIRIDIS.len() - 2);
    let fraction = position - below as f32;
    let [r, g, b] = std::array::from_fn(|channel| {
        let (low, high) = (f32::from(VIRIDIS[below][channel]), f32::from(VIRIDIS[below + 1][channel]));
        (low + fraction * (high - low)).round() as u8
    });
    let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    // Where black and white have the same WCAG contrast.
    let text = if luminance > 0.179 { "#000" } else { "#fff" };
    CellColour { background: format!("rgb({r} {g} {b})"), text }
}

/// An sRGB channel as linear light.
fn linear(channel: u8) -> f32 {
    let value = f32::from(channel) / 255.0;
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}
