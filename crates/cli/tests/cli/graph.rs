//! `pial graph`.

use insta::assert_snapshot;

use crate::{Place, SUBJECTS};

const NESTED: &str = "
pial: 1
name: 'x <&> \"y\"'
nodes:
  a: {command: [echo, 1], outputs: {o: {stdout: string}}}
  inner:
    workflow:
      parameters: {v: null}
      nodes:
        b: {command: [echo, '{v}'], inputs: {v: '{v}'}, outputs: {o: {stdout: string}}}
      outputs: {o: {from: b.o}}
    inputs: {v: {from: a.o}}
  c: {builtin: merge, inputs: {in1: {from: inner.o}, in2: {from: a.o}}}
";

#[test]
fn dot_has_ports_counts_and_frames() {
    let place = Place::with(NESTED);
    assert_snapshot!(place.pial(&["graph", "w.yaml"]).out, @r#"
    digraph "x <&> \"y\"" {
      node [shape=record, style=rounded, fontname="sans-serif", fontsize=11];
      edge [arrowsize=0.6];
      n0 [label="{a\necho|{<o0> o}}"];
      n2 [label="{{<i0> in1|<i1> in2}|c\nmerge}"];
      subgraph cluster_0 {
        label="inner";
        n1 [label="{{<i0> v}|b\necho|{<o0> o}}"];
      }
      n0:o0:s -> n1:i0:n;
      n1:o0:s -> n2:i0:n;
      n0:o0:s -> n2:i1:n;
    }
    "#);
}

#[test]
fn svg_is_sound_and_nothing_lies_on_another() {
    for (document, boxes) in [(SUBJECTS, 5), (NESTED, 3)] {
        let place = Place::with(document);
        assert_eq!(place.pial(&["graph", "w.yaml", "-o", "é w.svg"]).out, "");
        let svg = std::fs::read_to_string(place.path("é w.svg")).unwrap();
        assert_eq!(svg.matches("class=\"box\"").count(), boxes);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        for (open, close) in [("<g>", "</g>"), ("<text", "</text>"), ("<svg", "</svg>")] {
            assert_eq!(svg.matches(open).count(), svg.matches(close).count());
        }
    }
    let place = Place::with(SUBJECTS);
    assert!(place.pial(&["graph", "w.yaml", "--format", "svg"]).out.contains("load × 2"));
}

#[test]
fn json_has_names_and_expanded_has_every_node() {
    let place = Place::with(SUBJECTS);
    let json = place.json(&["graph", "w.yaml"]);
    let edge = &json["edges"][0];
    assert_eq!(["from", "output", "to", "input"].map(|key| edge[key].as_str().unwrap()), ["load", "out", "count", "f"]);
    let expanded = place.json(&["graph", "w.yaml", "--expanded"]);
    assert_eq!((expanded["nodes"].as_array().unwrap().len(), expanded["edges"].as_array().unwrap().len()), (7, 5));
    assert!(place.pial(&["graph", "w.yaml", "--expanded", "--format", "svg"]).out.contains("count[s=a é]"));
}

#[test]
fn an_ending_that_is_no_form_is_refused() {
    let place = Place::with(SUBJECTS);
    for name in ["x.png", "x"] {
        let said = place.pial(&["graph", "w.yaml", "-o", name]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains(".svg, .dot or .json") && !place.path(name).exists(), "{}", said.err);
    }
    assert_eq!(place.pial(&["graph", "w.yaml", "-o", "x.png", "--format", "svg"]).code, Some(0));
}
