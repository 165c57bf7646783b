"""Draws the pictures of docs/memory.md as SVG, for light and dark pages; knows no experiment, only rows and lines."""

from html import escape
from math import ceil, floor, log10

# Colours that most people tell apart (after Okabe and Ito), for a light and for a dark ground. No CSS variables: not
# every program that shows SVG knows them.
LIGHT = ("#0072b2", "#d55e00", "#a67c00", "#008060", "#a0479a", "#6e7781", "#2f9fd8", "#7a5230")
DARK = ("#58a6ff", "#ff8c42", "#e3b341", "#3fb98a", "#d98fd3", "#9198a1", "#7cc7f0", "#c19a6b")


def _colours(colours):
    return " ".join(f".f{i} {{ fill: {c}; }} .s{i} {{ stroke: {c}; }}" for i, c in enumerate(colours))


STYLE = f"""
  .ground {{ fill: #ffffff; }} .ink {{ fill: #1f2328; }} .soft {{ fill: #59636e; }} .grid {{ stroke: #d8dee4; }}
  .bad {{ fill: #ffd8d3; }} .good {{ fill: #d7f0e2; }} .none {{ fill: #eaeef2; }}
  {_colours(LIGHT)}
  .line {{ fill: none; stroke-width: 2; }} .faint {{ opacity: .35; }} .ring {{ stroke-width: 1.5; }}
  text {{ font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }} .small {{ font-size: 11px; }}
  .title {{ font-size: 13px; font-weight: 600; }}
  @media (prefers-color-scheme: dark) {{
    .ground {{ fill: #0d1117; }} .ink {{ fill: #e6edf3; }} .soft {{ fill: #9198a1; }} .grid {{ stroke: #30363d; }}
    .bad {{ fill: #5d2420; }} .good {{ fill: #1b4332; }} .none {{ fill: #21262d; }}
    {_colours(DARK)}
  }}"""
WIDTH = 860
ROW = 21
LABELS = 250


def bars(title, unit, rows, note=""):
    """Rows of (label, colour, dark part, whole, text): bars from zero, in `unit`, with the text at the end."""
    top, room = 58, WIDTH - LABELS - 90
    largest = max(row[3] for row in rows) or 1
    height = top + ROW * len(rows) + 34
    out = _open(height, title)
    for tick in _ticks(largest):
        x = LABELS + room * tick / largest
        out += [_grid(x, top - 6, x, height - 30), _text(x, top - 12, f"{tick:g}", "soft small", "middle")]
    out.append(_text(LABELS + room + 8, top - 12, unit, "soft small"))
    for at, (label, colour, part, whole, text) in enumerate(rows):
        y = top + at * ROW
        out += [
            _text(LABELS - 8, y + 13, label, "ink", "end"),
            (
                f'<rect class="f{colour} faint" x="{LABELS}" y="{y + 3}" width="{room * whole / largest:.1f}"'
                ' height="13"/>'
            ),
            f'<rect class="f{colour}" x="{LABELS}" y="{y + 3}" width="{room * part / largest:.1f}" height="13"/>',
            _text(LABELS + room * whole / largest + 6, y + 13, text, "soft small"),
        ]
    return _close(out, note, height)


def pairs(title, unit, rows, note=""):
    """Rows of (label, colour, before, after) on a logarithmic scale: a ring for before, a disc for after."""
    top, room = 58, WIDTH - LABELS - 110
    values = [value for *_, before, after in rows for value in (before, after)]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    place = lambda value: LABELS + room * (log10(value) - low) / (high - low)  # noqa: E731
    height = top + ROW * len(rows) + 34
    out = _open(height, title)
    for power in range(low, high + 1):
        out += [
            _grid(place(10.0**power), top - 6, place(10.0**power), height - 30),
            _text(place(10.0**power), top - 12, f"{10.0**power:g}", "soft small", "middle"),
        ]
    out.append(_text(LABELS + room + 24, top - 12, unit, "soft small"))
    for at, (label, colour, before, after) in enumerate(rows):
        y = top + at * ROW + 9
        out += [
            _text(LABELS - 8, y + 4, label, "ink", "end"),
            f'<line class="s{colour} line" x1="{place(before):.1f}" y1="{y}" x2="{place(after):.1f}" y2="{y}"/>',
            f'<circle class="s{colour} ring ground" cx="{place(before):.1f}" cy="{y}" r="4.5"/>',
            f'<circle class="f{colour}" cx="{place(after):.1f}" cy="{y}" r="4.5"/>',
            _text(max(place(before), place(after)) + 10, y + 4, _short(after), "soft small"),
        ]
    return _close(out, note, height)


def lines(title, panels, note="", height=330):
    """Panels of (title, x name, y name, logarithmic x, logarithmic y, series); a series is (label, colour, points).

    Labels stand once, beside the last panel, at the end of each line and pushed apart."""
    labels_width, top, bottom = 168, 74, 62
    each = (WIDTH - labels_width - 20) / len(panels)
    xs, ys = _bounds(panels)
    out = _open(height, title)
    for number, (name, x_name, y_name, log_x, log_y, series) in enumerate(panels):
        left, right = 20 + each * number + 48, 20 + each * (number + 1) - 6
        place_x = _scale(xs, left, right, log_x)
        place_y = _scale(ys, height - bottom, top, log_y)
        out += _axes(place_x, place_y, left, right, height - bottom, top, log_x, log_y, xs, ys, series)
        out += [
            _text((left + right) / 2, height - bottom + 34, x_name, "soft small", "middle"),
            _text(left - 4, top - 14, y_name, "soft small", "start" if number == 0 else "end") if number == 0 else "",
            _text((left + right) / 2, top - 30, name, "ink", "middle") if name else "",
        ]
        for _, colour, points in series:
            path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in points)
            out.append(f'<polyline class="s{colour} line" points="{path}"/>')
            out += [f'<circle class="f{colour}" cx="{place_x(x):.1f}" cy="{place_y(y):.1f}" r="3"/>' for x, y in points]
        if number == len(panels) - 1:
            out += _end_labels(series, place_x, place_y, right, top, height - bottom)
    return _close(out, note, height)


def grid(title, columns, rows, column_name, note=""):
    """Rows of (label, cells); a cell is (kind, text), kind one of good, bad, none."""
    top, wide = 70, (WIDTH - LABELS - 20) / len(columns)
    height = top + ROW * len(rows) + 34
    out = _open(height, title) + [_text(LABELS, top - 26, column_name, "soft small")]
    out += [
        _text(LABELS + wide * (i + 0.5), top - 8, str(column), "soft small", "middle")
        for i, column in enumerate(columns)
    ]
    for at, (label, cells) in enumerate(rows):
        y = top + at * ROW
        out.append(_text(LABELS - 8, y + 14, label, "ink", "end"))
        for i, (kind, text) in enumerate(cells):
            out += [
                (
                    f'<rect class="{kind}" x="{LABELS + wide * i + 1:.1f}" y="{y + 1}" width="{wide - 2:.1f}"'
                    f' height="{ROW - 2}" rx="3"/>'
                ),
                _text(LABELS + wide * (i + 0.5), y + 14, text, "ink small", "middle"),
            ]
    return _close(out, note, height)


def _end_labels(series, place_x, place_y, right, top, bottom):
    wanted = sorted((place_y(points[-1][1]), place_x(points[-1][0]), label, colour) for label, colour, points in series)
    out, last = [], top - 15
    for y, x, label, colour in wanted:
        last = max(y, last + 15)
        out += [
            f'<line class="grid" x1="{x + 4:.1f}" y1="{y:.1f}" x2="{right + 8:.1f}" y2="{last:.1f}"/>',
            _text(right + 11, last + 4, label, f"f{colour}"),
        ]
    return out


def _axes(place_x, place_y, left, right, bottom, top, log_x, log_y, xs, ys, series):
    out = []
    for value in _powers(ys) if log_y else _ticks(ys[1]):
        out += [
            _grid(left, place_y(value), right, place_y(value)),
            _text(left - 6, place_y(value) + 4, _short(value), "soft small", "end"),
        ]
    marks = _powers(xs) if log_x else sorted({x for *_, points in series for x, _ in points})
    for value in marks:
        out.append(_text(place_x(value), bottom + 16, _short(value), "soft small", "middle"))
    return out


def _bounds(panels):
    points = [(point, panel[3], panel[4]) for panel in panels for *_, ones in panel[5] for point in ones]
    xs, ys = [p[0][0] for p in points], [p[0][1] for p in points]
    log_x, log_y = points[0][1], points[0][2]
    low_x = 10.0 ** floor(log10(min(xs))) if log_x else min(xs)
    high_x = 10.0 ** ceil(log10(max(xs))) if log_x else max(xs)
    low_y = 10.0 ** floor(log10(min(ys))) if log_y else 0.0
    return (low_x, high_x), (low_y, 10.0 ** ceil(log10(max(ys))) if log_y else max(ys) * 1.05)


def _scale(bounds, first, last, logarithmic):
    low, high = (log10(b) for b in bounds) if logarithmic else bounds
    return lambda value: first + (last - first) * ((log10(value) if logarithmic else value) - low) / ((high - low) or 1)


def _powers(bounds):
    return [10.0**power for power in range(round(log10(bounds[0])), round(log10(bounds[1])) + 1)]


def _ticks(largest):
    step = 10.0 ** floor(log10(largest / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if largest / (step * factor) <= 6)
    return [step * i for i in range(int(largest / step) + 1)]


def _short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _grid(x1, y1, x2, y2):
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x, y, text, kind, anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(str(text))}</text>'


def _open(height, title):
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}\n</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(16, 24, title, "ink title"),
    ]


def _close(out, note, height):
    return "\n".join([*filter(None, out), _text(16, height - 10, note, "soft small"), "</svg>"]) + "\n"
