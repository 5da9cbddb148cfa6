"""Line plots as inline SVG: no script, nothing fetched."""
import html
import math

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 12, 46
DASHES = ["", "7 4", "2 4", "9 3 2 3", "4 2"]
COLOURS = 5  # classes c0..c4 of the report's style sheet


class Scale:
    """Maps values to pixels, linear or logarithmic, and picks ticks of the kind 1, 2, 5."""

    def __init__(self, low, high, first, last, log):
        self.log = log
        if log:
            low, high = max(low, 1e-9), max(high, low * 2, 1e-8)
        elif high <= low:
            high = low + 1
        self.low, self.high, self.first, self.last = low, high, first, last

    def at(self, value):
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        value = math.log10(max(value, self.low)) if self.log else value
        return self.first + (value - low) / (high - low) * (self.last - self.first)

    def ticks(self):
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(powers) <= 3 else (1,)
            return [step * 10.0 ** power for power in powers for step in steps if self.low * 0.999 <= step * 10.0 ** power <= self.high * 1.001]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step * 1.0001) + 1)]


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


STANDALONE = """<style>text{font-family:sans-serif}.grid{stroke:#dcdce2}.tick{font-size:11px;fill:#5c5c66}.axis,.name{font-size:12px;fill:#1b1b1f}.line{fill:none;stroke-width:2.2}
.line.c0{stroke:#0072b2}.line.c1{stroke:#d55e00}.line.c2{stroke:#009e73}.line.c3{stroke:#a6509b}.line.c4{stroke:#7a6a00}
.dot.c0{fill:#0072b2}.dot.c1{fill:#d55e00}.dot.c2{fill:#009e73}.dot.c3{fill:#a6509b}.dot.c4{fill:#7a6a00}</style><rect width="100%" height="100%" fill="#fff"/>"""


def standalone(series, x_title, y_title):
    """A picture by itself, on white, with the names at the lines' places in a corner."""
    svg = plot_svg(series, x_title, y_title)
    names = []
    for index, (name, _) in enumerate(series):
        y = TOP + 16 + index * 18
        dash = f' stroke-dasharray="{DASHES[index % len(DASHES)]}"' if DASHES[index % len(DASHES)] else ""
        names.append(f'<line class="line c{index % COLOURS}" x1="{LEFT + 10}" x2="{LEFT + 44}" y1="{y - 4}" y2="{y - 4}"{dash}/><text class="name" x="{LEFT + 52}" y="{y}">{html.escape(name)}</text>')
    head, body = svg.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{STANDALONE}{body.removesuffix("</svg>")}{"".join(names)}</svg>\n'


def line_plot(series, x_title, y_title, log_x=False, log_y=False, x_ticks=None, from_zero=True):
    """A plot of the report, with its legend."""
    svg = plot_svg(series, x_title, y_title, log_x, log_y, x_ticks, from_zero)
    return svg + legend([name for name, _ in series]) if svg else ""


def plot_svg(series, x_title, y_title, log_x=False, log_y=False, x_ticks=None, from_zero=True):
    """`series`: [(name, [(x, y), ...])]. `x_ticks`: [(x, text)] instead of round numbers."""
    points = [point for _, line in series for point in line]
    if not points:
        return ""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    across = Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT, log_x)
    up = Scale(min(ys) if log_y or not from_zero else 0, max(ys) * (1.0 if log_y else 1.05), HEIGHT - BOTTOM, TOP, log_y)
    names = ", ".join(name for name, _ in series)
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(f"{y_title} against {x_title}: {names}")}">']
    for value in up.ticks():
        y = up.at(value)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/><text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value, text in x_ticks or [(value, number(value)) for value in across.ticks()]:
        if across.low <= value <= across.high:
            x = across.at(value)
            out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                       f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{html.escape(text)}</text>')
    out.append(f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x_title)}</text>')
    out.append(f'<text class="axis" transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{html.escape(y_title)}</text>')
    for index, (name, line) in enumerate(series):
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in line)
        dash = f' stroke-dasharray="{DASHES[index % len(DASHES)]}"' if DASHES[index % len(DASHES)] else ""
        out.append(f'<polyline class="line c{index % COLOURS}" points="{path}"{dash}><title>{html.escape(name)}</title></polyline>')
        if len(line) <= 20:
            out += [f'<circle class="dot c{index % COLOURS}" cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3"/>' for x, y in line]
    return "".join(out) + "</svg>"


def legend(names):
    items = []
    for index, name in enumerate(names):
        dash = DASHES[index % len(DASHES)]
        items.append(f'<span><svg viewBox="0 0 34 10" class="key"><line class="line c{index % COLOURS}" x1="1" x2="33" y1="5" y2="5"'
                     f'{f" stroke-dasharray={chr(34)}{dash}{chr(34)}" if dash else ""}/></svg> {html.escape(name)}</span>')
    return f'<p class="legend">{"".join(items)}</p>'
