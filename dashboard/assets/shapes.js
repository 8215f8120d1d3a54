// The field as a map of a reward: everything on it can be dragged, every number turned
(function () {
  const START = {
    axes: "xy", moved: "ball", ball: [0, 0, 93.15], ball_velocity: [0, 0, 0], car: [0, -2500, 17],
    car_velocity: [0, 1410, 0], mates: [], opponents: [], boost: 0.33, touch: false,
  };
  // A plane's axes, across and up as the surface has them, and the shape of its picture
  const PLANES = {
    xy: { axes: [0, 1], name: "from above", aspect: 1.42 },
    yz: { axes: [1, 2], name: "from the side", aspect: 4.4 },
    xz: { axes: [0, 2], name: "from the blue goal", aspect: 3 },
  };
  const SECONDS = 0.7;  // of travel that a velocity's line shows
  const NEGATIVE = ["#40004b", "#762a83", "#9970ab", "#c2a5cf", "#e7d4e8"];
  const POSITIVE = ["#d9f0d3", "#a6dba0", "#5aae61", "#1b7837", "#00441b"];
  const SCALE = [...NEGATIVE, "#f7f7f7", ...POSITIVE].map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
  let rewards = null, scene = null, panels = [], stage = null, keeping = null;

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const known = (name) => rewards.find((reward) => reward.name === name);
  const short = (value) => (Math.abs(value) >= 1e-3 || value === 0 ? String(+value.toPrecision(3)) : value.toExponential(1));

  const flat = (place) => PLANES[scene.axes].axes.map((axis) => place[axis]);
  const viewOf = (width, height) => (scene.axes === "xy"
    ? new lucy.Above(width, height) : new lucy.Beside(width, height, scene.axes));

  function colour(value, reach) {
    const place = (Math.min(Math.max(value / reach, -1), 1) + 1) / 2 * (SCALE.length - 1);
    const low = Math.floor(place), high = Math.min(low + 1, SCALE.length - 1);
    return SCALE[low].map((v, i) => v + (place - low) * (SCALE[high][i] - v));
  }

  // The address

  function read() {
    const query = new URLSearchParams(location.search);
    const numbers = (text, count) => {
      const values = (text || "").split(",").map(Number);
      return values.length === count && values.every(Number.isFinite) ? values : null;
    };
    const many = (text) => (text || "").split(";").map((part) => numbers(part, 3)).filter(Boolean);
    scene = {
      axes: PLANES[query.get("plane")] ? query.get("plane") : START.axes,
      moved: query.get("moved") === "car" ? "car" : "ball",
      ball: numbers(query.get("ball"), 3) || [...START.ball],
      ball_velocity: numbers(query.get("bv"), 3) || [...START.ball_velocity],
      car: numbers(query.get("car"), 3) || [...START.car],
      car_velocity: numbers(query.get("cv"), 3) || [...START.car_velocity],
      mates: many(query.get("mates")).slice(0, 2),
      opponents: many(query.get("opponents")).slice(0, 3),
      boost: query.has("boost") ? Math.min(Math.max(Number(query.get("boost")) || 0, 0), 1) : START.boost,
      touch: query.get("touch") === "1",
    };
    const chosen = (letter, otherwise) => {
      const name = query.get(letter) || otherwise;
      if (!name || !known(name)) return null;
      const knobs = {};
      for (const part of (query.get(letter + "k") || "").split(",")) {
        const [path, value] = part.split("~");
        if (known(name).knobs.some((knob) => knob.path === path) && Number.isFinite(Number(value)))
          knobs[path] = Number(value);
      }
      const term = query.get(letter + "t") || "";
      return { name, knobs, term: known(name).terms.includes(term) ? term : "" };
    };
    return [chosen("a", "lucy-skg") || { name: rewards[0].name, knobs: {}, term: "" }, chosen("b", null)].filter(Boolean);
  }

  function keep() {
    clearTimeout(keeping);
    keeping = setTimeout(() => {
      if (!stage || !stage.isConnected) return;
      const query = new URLSearchParams();
      const round = (v) => v.map((n) => Math.round(n * 100) / 100).join(",");
      const put = (name, value, plain) => { if (value !== plain) query.set(name, value); };
      panels.forEach((panel, i) => {
        const letter = "ab"[i], knobs = Object.entries(panel.knobs);
        query.set(letter, panel.name);
        put(letter + "t", panel.term, "");
        put(letter + "k", knobs.map(([path, value]) => `${path}~${value}`).join(","), "");
      });
      put("plane", scene.axes, START.axes);
      put("moved", scene.moved, START.moved);
      for (const [name, key] of [["ball", "ball"], ["bv", "ball_velocity"], ["car", "car"], ["cv", "car_velocity"]])
        put(name, round(scene[key]), round(START[key]));
      put("mates", scene.mates.map(round).join(";"), "");
      put("opponents", scene.opponents.map(round).join(";"), "");
      put("boost", String(scene.boost), String(START.boost));
      put("touch", scene.touch ? "1" : "0", "0");
      history.replaceState(history.state, "", location.pathname + "?" + query.toString());
    }, 250);
  }

  // What the server works out

  function body(panel, fine) {
    return JSON.stringify({ reward: panel.name, term: panel.term, knobs: panel.knobs, scene, fine });
  }

  async function ask(panel, fine) {
    panel.wanted = fine ? "fine" : panel.wanted === "fine" ? "fine" : "coarse";
    if (panel.busy) return;
    panel.busy = true;
    while (panel.wanted && panel.canvas.isConnected) {
      const wanted = panel.wanted;
      panel.wanted = null;
      try {
        const answer = await fetch("/api/shape", {
          method: "POST", headers: { "Content-Type": "application/json" }, body: body(panel, wanted === "fine"),
        });
        if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
        const buffer = await answer.arrayBuffer(), length = new DataView(buffer).getUint32(0, true);
        const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
        if (about.axes !== scene.axes) continue;  // it was turned meanwhile, and asked for anew
        panel.surface = Object.assign(about, { values: new Float32Array(buffer, 4 + length) });
        panel.image = picture(panel.surface);
        panel.note.textContent = about.flat
          ? `It is ${short(about.high)} everywhere: move the other thing, give a velocity, or let the car touch the ball. What pays for a change from step to step has no shape.` : "";
      } catch (error) {
        panel.note.textContent = error.message;
      }
      draw(panel);
    }
    panel.busy = false;
  }

  const askAll = (fine) => panels.forEach((panel) => ask(panel, fine));

  function picture(surface) {
    // One pixel a point. From above y runs to the right and x up; else z runs up
    const above = surface.axes === "xy", mirrored = surface.axes === "xz";
    const [width, height] = above ? [surface.rows, surface.columns] : [surface.columns, surface.rows];
    const canvas = make("canvas", { width, height });
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    const reach = Math.max(Math.abs(surface.low), Math.abs(surface.high)) || 1;
    for (let row = 0; row < surface.rows; row++)
      for (let column = 0; column < surface.columns; column++) {
        let value = surface.values[row * surface.columns + column];
        const right = above ? row : mirrored ? width - 1 - column : column;
        const at = 4 * ((height - 1 - (above ? column : row)) * width + right);
        if (Number.isNaN(value)) continue;
        const [r, g, b] = colour(surface.flat ? 0 : value, reach);
        image.data[at] = r;
        image.data[at + 1] = g;
        image.data[at + 2] = b;
        image.data[at + 3] = 255;
      }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  function valueAt(surface, x, y) {
    const column = (x - surface.x[0]) / (surface.x[1] - surface.x[0]) * (surface.columns - 1);
    const row = (y - surface.y[0]) / (surface.y[1] - surface.y[0]) * (surface.rows - 1);
    const c = Math.min(Math.max(Math.floor(column), 0), surface.columns - 2);
    const r = Math.min(Math.max(Math.floor(row), 0), surface.rows - 2), u = column - c, v = row - r;
    const at = (i, j) => surface.values[(r + j) * surface.columns + c + i];
    const dx = (surface.x[1] - surface.x[0]) / (surface.columns - 1);
    const dy = (surface.y[1] - surface.y[0]) / (surface.rows - 1);
    return {
      value: (1 - v) * ((1 - u) * at(0, 0) + u * at(1, 0)) + v * ((1 - u) * at(0, 1) + u * at(1, 1)),
      slope: [
        ((1 - v) * (at(1, 0) - at(0, 0)) + v * (at(1, 1) - at(0, 1))) / dx,
        ((1 - u) * (at(0, 1) - at(0, 0)) + u * (at(1, 1) - at(1, 0))) / dy,
      ],
    };
  }

  // Drawing

  function draw(panel) {
    const { context, width, height } = lucy.fit(panel.canvas), colours = lucy.colours();
    const view = viewOf(width, height);
    panel.view = view;
    context.fillStyle = colours.grass;
    context.fillRect(0, 0, width, height);
    const surface = panel.surface;
    if (surface) {
      context.save();
      view.path(context, view.outline, true);
      context.clip();
      const [ax, ay] = view.to(surface.x[0], surface.y[0]), [bx, by] = view.to(surface.x[1], surface.y[1]);
      context.imageSmoothingEnabled = true;
      context.drawImage(panel.image, Math.min(ax, bx), Math.min(ay, by), Math.abs(bx - ax), Math.abs(by - ay));
      arrows(context, view, surface);
      context.restore();
    }
    view.field(context, colours, false);
    bodies(context, view, colours);
    readout(panel);
  }

  function arrows(context, view, surface) {
    const longest = Math.max(surface.rows, surface.columns);
    const every = Math.max(1, Math.round(longest / (surface.axes === "xy" ? 17 : 34))), found = [];
    for (let row = every / 2 | 0; row < surface.rows - 1; row += every)
      for (let column = every / 2 | 0; column < surface.columns - 1; column += every) {
        const x = surface.x[0] + (surface.x[1] - surface.x[0]) * column / (surface.columns - 1);
        const y = surface.y[0] + (surface.y[1] - surface.y[0]) * row / (surface.rows - 1);
        const { slope } = valueAt(surface, x, y), steep = Math.hypot(...slope);
        if (Number.isFinite(steep) && steep > 0) found.push({ x, y, slope, steep });
      }
    const steepest = found.map((a) => a.steep).sort((a, b) => a - b)[Math.floor(found.length * 0.95)] || 1;
    const space = every * (surface.y[1] - surface.y[0]) / surface.rows;
    context.strokeStyle = "rgba(22,26,32,.75)";
    context.lineWidth = 1;
    for (const { x, y, slope, steep } of found) {
      if (steep < 0.03 * steepest) continue;
      const length = 0.75 * space * Math.sqrt(Math.min(steep / steepest, 1));
      const way = [slope[0] / steep * length, slope[1] / steep * length];
      const [ax, ay] = view.to(x - way[0] / 2, y - way[1] / 2), [bx, by] = view.to(x + way[0] / 2, y + way[1] / 2);
      const turn = Math.atan2(by - ay, bx - ax);
      context.beginPath();
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
      for (const side of [2.6, -2.6]) {
        context.moveTo(bx, by);
        context.lineTo(bx + 4 * Math.cos(turn + side), by + 4 * Math.sin(turn + side));
      }
      context.stroke();
    }
  }

  // Everything that can be dragged: where it is, and what dragging it changes
  function handles() {
    const [across, up] = PLANES[scene.axes].axes;
    const tip = (place, velocity) => place.map((value, i) => value + SECONDS * velocity[i]);
    const set = (place) => (a, u) => { place[across] = a; place[up] = u; };
    const found = [
      ...[scene.ball, scene.car, ...scene.mates, ...scene.opponents].map((place) => ({ at: place, put: set(place) })),
    ];
    for (const [place, velocity, most] of [[scene.ball, scene.ball_velocity, 6000], [scene.car, scene.car_velocity, 2300]])
      found.push({ at: tip(place, velocity), tip: true, put: (a, u) => {
        let way = [(a - place[across]) / SECONDS, (u - place[up]) / SECONDS];
        const speed = Math.hypot(...way);
        if (speed > most) way = way.map((v) => v * most / speed);
        if (speed < 150) way = [0, 0];
        velocity[across] = way[0];
        velocity[up] = way[1];
      } });
    return found;
  }

  function bodies(context, view, colours) {
    const ink = "#161a20";
    for (const [place, velocity] of [[scene.ball, scene.ball_velocity], [scene.car, scene.car_velocity]]) {
      const from = flat(place), way = flat(velocity), end = from.map((value, i) => value + SECONDS * way[i]);
      view.path(context, [from, end]);
      context.strokeStyle = ink;
      context.lineWidth = 2;
      context.stroke();
      context.beginPath();
      context.arc(...view.to(end[0], end[1]), 5, 0, 7);
      context.fillStyle = "#fff";
      context.fill();
      context.stroke();
    }
    const facing = Math.hypot(...scene.car_velocity) > 1 ? scene.car_velocity : [0, 1, 0];
    scene.mates.forEach((place) => view.car(context, place, [0, 1, 0], 230, "#1f66e0", "#fff"));
    scene.opponents.forEach((place) => view.car(context, place, [0, -1, 0], 230, "#e8730c", "#fff"));
    view.car(context, scene.car, facing, 280, "#1f66e0", ink);
    context.beginPath();
    context.arc(...view.to(...flat(scene.ball)), Math.max(130 * view.scale, 8), 0, 7);
    context.fillStyle = "#fff";
    context.fill();
    context.strokeStyle = ink;
    context.lineWidth = 2;
    context.stroke();
  }

  function readout(panel) {
    if (!panel.surface) return;
    const place = scene.moved === "ball" ? scene.ball : scene.car;
    const { value, slope } = valueAt(panel.surface, ...flat(place));
    panel.value.textContent = Number.isFinite(value)
      ? `${short(value)} where the ${scene.moved} is; slope ${short(Math.hypot(...slope) * 1000)} per 1000 uu` : "";
    const reach = Math.max(Math.abs(panel.surface.low), Math.abs(panel.surface.high)) || 1;
    panel.low.textContent = short(-reach);
    panel.high.textContent = short(reach);
  }

  function redraw() {
    panels.forEach(draw);
  }

  // Controls

  function drag(panel) {
    const canvas = panel.canvas;
    let held = null;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      const [px, py] = place(event);
      let best = 22;
      handles().forEach((handle, index) => {
        const [hx, hy] = panel.view.to(...flat(handle.at));
        const distance = Math.hypot(hx - px, hy - py) + (handle.tip ? 4 : 0);  // bodies before tips
        if (distance < best) {
          best = distance;
          held = index;
        }
      });
      if (held !== null) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held === null) return;
      const to = panel.view.from(...place(event)), f = lucy.field, handle = handles()[held];
      const reach = flat([[-f.x, f.x], [-f.y, f.y], [17, f.z]]);
      const inside = (v, i) => Math.min(Math.max(v, reach[i][0]), reach[i][1]);
      handle.put(...(handle.tip ? to : to.map(inside)));
      fields();
      redraw();
      askAll(false);
    });
    const release = () => {
      if (held === null) return;
      held = null;
      keep();
      askAll(true);
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
  }

  function changed() {
    fields();
    redraw();
    keep();
    askAll(true);
  }

  function turn(axes) {
    scene.axes = axes;
    panels.forEach((panel) => {
      panel.surface = null;
      panel.canvas.style.aspectRatio = PLANES[axes].aspect;
    });
    changed();
  }

  let inputs = [];
  function fields() {
    inputs.forEach(({ input, get }) => { if (document.activeElement !== input) input.value = get(); });
  }

  function vector(name, list, labels, low, high) {
    return make("span", { className: "vector" }, make("span", { textContent: name }), ...labels.map((label, i) => {
      const input = make("input", { type: "number", step: 50, min: low[i], max: high[i], value: Math.round(list()[i]) });
      input.setAttribute("aria-label", `${name} ${label}`);
      input.onchange = () => {
        list()[i] = Math.min(Math.max(Number(input.value) || 0, low[i]), high[i]);
        changed();
      };
      inputs.push({ input, get: () => Math.round(list()[i]) });
      return input;
    }));
  }

  function sceneControls() {
    inputs = [];
    const f = lucy.field, low = [-f.x, -f.net, 0], high = [f.x, f.net, f.z];
    const moved = make("select", { onchange: () => { scene.moved = moved.value; changed(); } },
      make("option", { value: "ball", textContent: "the ball" }), make("option", { value: "car", textContent: "the blue car" }));
    moved.value = scene.moved;
    const plane = make("select", { onchange: () => { turn(plane.value); } },
      ...Object.entries(PLANES).map(([value, { name }]) => make("option", { value, textContent: name })));
    plane.value = scene.axes;
    const boost = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: scene.boost, oninput: () => {
      scene.boost = Number(boost.value);
      askAll(false);
    }, onchange: changed });
    const touch = make("input", { type: "checkbox", checked: scene.touch, onchange: () => { scene.touch = touch.checked; changed(); } });
    const add = (list, most, y) => () => {
      if (scene[list].length < most) scene[list].push([700 * (scene[list].length + 1), y, 17]);
      else scene[list] = [];
      changed();
    };
    const most = [2300, 2300, 2300], fast = [6000, 6000, 6000], back = (v) => v.map((n) => -n);
    return make("div", { className: "controls" },
      make("label", {}, make("span", { textContent: "Where is" }), moved),
      make("label", {}, make("span", { textContent: "Seen" }), plane),
      vector("ball", () => scene.ball, ["x", "y", "z"], low, high),
      vector("its velocity", () => scene.ball_velocity, ["x", "y", "z"], back(fast), fast),
      vector("car", () => scene.car, ["x", "y", "z"], low, high),
      vector("its velocity", () => scene.car_velocity, ["x", "y", "z"], back(most), most),
      make("label", {}, make("span", { textContent: "boost" }), boost),
      make("label", {}, touch, make("span", { textContent: "touches the ball" })),
      make("button", { type: "button", textContent: "Mate +", onclick: add("mates", 2, -1500) }),
      make("button", { type: "button", textContent: "Opponent +", onclick: add("opponents", 3, 2500) }),
      make("button", { type: "button", textContent: panels.length > 1 ? "One alone" : "Compare", onclick: () => {
        const now = panels.map(({ name, knobs, term }) => ({ name, knobs: { ...knobs }, term }));
        build(now.length > 1 ? now.slice(0, 1) : [...now, { ...now[0], knobs: { ...now[0].knobs } }]);
        keep();
      } }));
  }

  function knobRows(panel) {
    const rows = known(panel.name).knobs.filter((knob) => !panel.term || (knob.term === panel.term && knob.name !== "weight"));
    panel.sliders.replaceChildren(...rows.map((knob) => {
      const now = panel.knobs[knob.path] ?? knob.value;
      const weight = knob.name.endsWith("weight"), share = ["team_spirit", "zero_sum"].includes(knob.path);
      const most = share ? 1 : Math.max(Math.abs(knob.value) * 3, Math.abs(now), 2);
      const least = share ? 0 : weight ? -most : Math.min(0.05, most);
      const shown = make("output", { textContent: short(now) });
      const input = make("input", { type: "range", min: least, max: most, step: most / 200, value: now });
      const text = (knob.term && !panel.term && known(panel.name).kind === "reward" ? knob.term + " · " : "") + knob.name;
      input.setAttribute("aria-label", text);
      input.oninput = () => {
        panel.knobs[knob.path] = Number((+input.value).toPrecision(4));
        shown.textContent = short(panel.knobs[knob.path]);
        ask(panel, false);
      };
      input.onchange = () => { keep(); ask(panel, true); };
      return make("label", { className: "knob" }, make("span", { textContent: text }), input, shown);
    }));
    panel.formula.textContent = known(panel.name).formula;
  }

  function panelOf(chosen) {
    const panel = Object.assign({}, chosen);
    panel.canvas = make("canvas", { className: "stage" });
    panel.canvas.style.aspectRatio = PLANES[scene.axes].aspect;
    panel.canvas.setAttribute("role", "img");
    panel.canvas.setAttribute("aria-label", `Value of ${panel.name} over the field`);
    panel.note = make("p", { className: "note" });
    panel.note.setAttribute("role", "status");
    panel.value = make("span", { className: "value" });
    panel.low = make("span", {});
    panel.high = make("span", {});
    panel.formula = make("p", { className: "hint formula" });
    panel.sliders = make("div", { className: "knobs" });
    const group = (label, kind) => {
      const options = make("optgroup", { label });
      rewards.filter((reward) => reward.kind === kind).forEach((reward) => {
        options.append(make("option", { value: reward.name, textContent: reward.name, selected: reward.name === panel.name }));
      });
      return options;
    };
    const terms = () => [make("option", { value: "", textContent: "all of it" }), ...known(panel.name).terms.map((term) =>
      make("option", { value: term, textContent: term, selected: term === panel.term }))];
    const term = make("select", { onchange: () => { panel.term = term.value; again(); } }, ...terms());
    const reward = make("select", { onchange: () => {
      Object.assign(panel, { name: reward.value, term: "", knobs: {} });
      term.replaceChildren(...terms());
      again();
    } }, group("Whole rewards", "reward"), group("Components", "component"));
    reward.setAttribute("aria-label", "Reward");
    term.setAttribute("aria-label", "Part of it");
    const again = () => { knobRows(panel); keep(); ask(panel, true); };
    const save = (text, name, type) => {
      const address = URL.createObjectURL(new Blob([text], { type }));
      make("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    };
    const buttons = [
      make("button", { type: "button", textContent: "Reset", onclick: () => { panel.knobs = {}; again(); } }),
      make("button", { type: "button", textContent: "Save TOML", onclick: async () => {
        const answer = await fetch("/api/shape/toml", { method: "POST", headers: { "Content-Type": "application/json" }, body: body(panel, true) });
        if (answer.ok) save(await answer.text(), panel.name.replace(/\.toml$/, "") + "-turned.toml", "application/toml");
        else panel.note.textContent = await answer.text();
      } }),
      make("button", { type: "button", textContent: "PNG", onclick: () => panel.canvas.toBlob((blob) => save(blob, `lucy-${panel.name}.png`, "image/png")) }),
      make("button", { type: "button", textContent: "CSV", onclick: () => {
        const s = panel.surface, lines = [[...s.axes, "value"].join(",")];
        for (let r = 0; s && r < s.rows; r++) for (let c = 0; c < s.columns; c++) {
          const value = s.values[r * s.columns + c];
          if (!Number.isNaN(value)) lines.push([s.x[0] + (s.x[1] - s.x[0]) * c / (s.columns - 1), s.y[0] + (s.y[1] - s.y[0]) * r / (s.rows - 1), value].map((v) => +v.toPrecision(7)).join(","));
        }
        save(lines.join("\n") + "\n", `lucy-${panel.name}.csv`, "text/csv");
      } }),
    ];
    panel.element = make("section", { className: "panel" },
      make("div", { className: "controls" }, reward, term, ...buttons), panel.formula, panel.canvas,
      make("div", { className: "scale" }, panel.low, make("span", { className: "bar-of-colours" }), panel.high, panel.value),
      panel.note, panel.sliders);
    return panel;
  }

  function build(chosen) {
    panels = chosen.map(panelOf);
    stage.replaceChildren(sceneControls(), make("div", { className: "panels" }, ...panels.map((panel) => panel.element)));
    panels.forEach((panel) => {
      drag(panel);
      knobRows(panel);
      draw(panel);
      ask(panel, true);
    });
  }

  async function open() {
    stage = document.getElementById("shapes-stage");
    if (!stage) return;
    const answer = await fetch("/api/shapes");
    rewards = await answer.json();
    if (stage.isConnected) build(read());
  }
  window.addEventListener("resize", () => { if (stage && stage.isConnected) redraw(); });
  new MutationObserver(() => { if (stage && stage.isConnected) redraw(); }).observe(
    document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });
  lucy.shapes = { look: () => ({ scene, panels: panels.map(({ name, knobs, surface, view }) => ({ name, knobs, surface, view })) }) };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.lucyShapes = {
    open: function () {
      open();
      return window.dash_clientside.no_update;
    },
  };
})();
