const charts = JSON.parse(document.getElementById("charts").textContent);
for (const [id, spec] of Object.entries(charts)) {
  const place = document.getElementById(id);
  const width = place.clientWidth;
  const size = width < 500 ? 10 : 12;
  vegaEmbed(place, {
    ...spec,
    width: "container",
    background: null,
    autosize: { type: "fit-x", contains: "padding" },
    padding: 0,
    config: {
      view: { stroke: null },
      axis: { labelFontSize: size, titleFontSize: size, titleFontWeight: "normal", titlePadding: 8,
              labelLimit: Math.max(110, Math.min(380, width * 0.42)), labelPadding: 6 },
      legend: { labelFontSize: size, symbolSize: 80, symbolType: "circle", offset: 6,
                columns: width < 500 ? 2 : 0, labelLimit: 0 },
    },
  }, { renderer: "svg", actions: false, ast: true, mode: "vega-lite", logLevel: 1 /* errors */ })
    .catch((error) => { place.textContent = "This chart can't be drawn: " + error.message; });
}
