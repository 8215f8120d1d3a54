// Playback of a game: from above and in space, at the screen's own rate
(function () {
  const SPEEDS = [0.25, 0.5, 1, 2, 4];
  const TRAIL_SECONDS = 1.6, JUMP = 900;  // uu in a step beyond which something was placed anew
  const HEAD = 8, CAR = 11;  // columns of a step, and of each car; see `pack`
  let game = null, state = null, request = null;

  function parse(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    return Object.assign(about, { rows: new Float32Array(buffer, 4 + length) });
  }

  // Everything at a moment between two steps
  function at(seconds) {
    const place = Math.min(Math.max(seconds / game.stepSeconds, 0), game.steps - 1);
    const first = Math.floor(place), second = Math.min(first + 1, game.steps - 1);
    const a = game.rows.subarray(first * game.columns, (first + 1) * game.columns);
    const b = game.rows.subarray(second * game.columns, (second + 1) * game.columns);
    const share = b[7] ? 0 : place - first;  // a new episode is not slid into
    const mix = (i) => a[i] + share * (b[i] - a[i]);
    const mixed = (i, jumps) => {
      if (jumps && Math.hypot(b[i] - a[i], b[i + 1] - a[i + 1], b[i + 2] - a[i + 2]) > JUMP)
        return [a[i], a[i + 1], a[i + 2]];
      return [mix(i), mix(i + 1), mix(i + 2)];
    };
    const cars = game.cars.map((about, i) => {
      const c = HEAD + i * CAR;
      return {
        about, place: mixed(c, true), forward: lucy.unit(mixed(c + 3)), up: lucy.unit(mixed(c + 6)),
        boost: a[c + 9], there: a[c + 10] === 1, demoed: a[c + 10] >= 2,
      };
    });
    return { step: first, ball: mixed(0, true), pads: [a[3], a[4]], score: [a[5], a[6]], cars };
  }

  function trail(column, seconds) {
    const last = Math.floor(seconds / game.stepSeconds);
    const from = Math.max(0, last - Math.round(TRAIL_SECONDS / game.stepSeconds));
    const points = [];
    for (let step = last; step >= from; step--) {
      const row = step * game.columns;
      const point = [game.rows[row + column], game.rows[row + column + 1], game.rows[row + column + 2]];
      const before = points[points.length - 1];
      if (before && Math.hypot(...point.map((value, i) => value - before[i])) > JUMP) break;
      points.push(point);
      if (game.rows[row + 7]) break;
    }
    return points;
  }

  function padIsActive(now, i) {
    const bits = i < 17 ? now.pads[0] : now.pads[1];
    return Math.floor(bits / Math.pow(2, i % 17)) % 2 === 1;
  }

  function drawAbove(context, width, height, now, colours) {
    const followed = state.follow < 0 ? null : now.cars[state.follow];
    const view = new lucy.Above(width, height, followed && followed.place, followed ? 1.9 : 1);
    view.field(context, colours, true);
    lucy.pads.forEach(([x, y, big], i) => {
      const [px, py] = view.to(x, y), radius = (big ? 95 : 45) * view.scale + 1;
      context.beginPath();
      context.arc(px, py, radius, 0, 7);
      context.lineWidth = 1;
      if (padIsActive(now, i)) {
        context.fillStyle = colours.pad;
        context.fill();
      } else {
        context.strokeStyle = colours.line;
        context.stroke();
      }
    });
    const tail = (points, colour, thick) => {
      for (let i = 1; i < points.length; i++) {
        context.globalAlpha = 0.5 * (1 - i / points.length);
        view.path(context, [points[i - 1], points[i]]);
        context.strokeStyle = colour;
        context.lineWidth = thick;
        context.stroke();
      }
      context.globalAlpha = 1;
    };
    tail(trail(0, state.seconds), colours.muted, 4);
    now.cars.forEach((car, i) => {
      if (!car.there) return;
      const colour = colours[car.about.team], lift = car.place[2] / 2044;
      tail(trail(HEAD + i * CAR, state.seconds), colour, 3);
      view.car(context, [car.place[0] - 260 * lift, car.place[1], 0], car.forward, 190, colours.shadow, "transparent");
      view.car(context, car.place, car.forward, 190 * (1 + 0.5 * lift), colour, colours.floor);
      const [px, py] = view.to(car.place[0], car.place[1]);
      label(context, car, px, py - 18 - 6 * lift, colours);
    });
    const lift = now.ball[2] / 2044;
    const [sx, sy] = view.to(now.ball[0] - 260 * lift, now.ball[1]);
    disc(context, sx, sy, 110 * view.scale, colours.shadow, "transparent");
    const [bx, by] = view.to(now.ball[0], now.ball[1]);
    disc(context, bx, by, 115 * view.scale * (1 + 0.7 * lift) + 1.5, colours.ball, colours.ink);
  }

  function disc(context, x, y, radius, fill, edge) {
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = fill;
    context.fill();
    context.strokeStyle = edge;
    context.lineWidth = 1.6;
    context.stroke();
  }

  function label(context, car, x, y, colours) {
    context.font = "11px Helvetica, Arial, sans-serif";
    context.textAlign = "center";
    context.fillStyle = colours.muted;
    if (state.names) context.fillText(car.about.name.slice(0, 18), x, y - 4);
    context.fillStyle = colours.soft;
    context.fillRect(x - 16, y, 32, 3);
    context.fillStyle = colours[car.about.team];
    context.fillRect(x - 16, y, 32 * car.boost, 3);
  }

  function camera(width, height, now) {
    const followed = state.follow < 0 ? null : now.cars[state.follow];
    let eye, target;
    if (followed && followed.there) {
      const toBall = lucy.unit([
        now.ball[0] - followed.place[0], now.ball[1] - followed.place[1], 0,
      ]);
      eye = [
        followed.place[0] - 620 * toBall[0], followed.place[1] - 620 * toBall[1],
        followed.place[2] + 260,
      ];
      target = [0, 1, 2].map((i) => followed.place[i] + 0.35 * (now.ball[i] - followed.place[i]));
    } else {
      eye = [-7600, now.ball[1] * 0.2, 5600];
      target = [now.ball[0] * 0.12 - 250, now.ball[1] * 0.22, 0];
    }
    const still = !state.camera || state.jumped;
    const weight = still ? 1 : Math.min(1, state.elapsed * 5);
    const old = state.camera || { eye, target };
    state.camera = {
      eye: eye.map((value, i) => old.eye[i] + weight * (value - old.eye[i])),
      target: target.map((value, i) => old.target[i] + weight * (value - old.target[i])),
    };
    state.jumped = false;
    return new lucy.Space(width, height, state.camera.eye, state.camera.target);
  }

  function drawSpace(context, width, height, now, colours) {
    const view = camera(width, height, now), f = lucy.field;
    const floor = lucy.outline.map(([x, y]) => [x, y, 0]);
    if (view.polygon(context, floor)) {
      context.fillStyle = colours.floor;
      context.fill();
    }
    context.strokeStyle = colours.soft;
    context.lineWidth = 1;
    context.beginPath();
    for (let y = -5120; y <= 5120; y += 1024) {
      const reach = Math.abs(y) > f.y - f.cut ? f.x - (Math.abs(y) - f.y + f.cut) : f.x;
      view.line(context, [-reach, y, 0], [reach, y, 0]);
    }
    for (let x = -4096; x <= 4096; x += 1024) {
      const reach = Math.abs(x) > f.x - f.cut ? f.y - (Math.abs(x) - f.x + f.cut) : f.y;
      view.line(context, [x, -reach, 0], [x, reach, 0]);
    }
    context.stroke();
    context.strokeStyle = colours.line;
    context.lineWidth = 1.4;
    context.beginPath();
    floor.forEach((point, i) => view.line(context, point, floor[(i + 1) % floor.length]));
    const corners = [[f.x, f.y - f.cut], [f.x - f.cut, f.y]];
    for (const [cx, cy] of corners)
      for (const [sx, sy] of [[1, 1], [1, -1], [-1, 1], [-1, -1]])
        if (sx > 0) view.line(context, [cx * sx, cy * sy, 0], [cx * sx, cy * sy, f.z]);
    context.stroke();
    for (const [side, colour] of [[-1, colours.blue], [1, colours.orange]]) {
      context.beginPath();
      const posts = [[-f.goalX, 0], [-f.goalX, f.goalZ], [f.goalX, f.goalZ], [f.goalX, 0]];
      posts.slice(1).forEach(([x, z], i) => {
        view.line(context, [posts[i][0], side * f.y, posts[i][1]], [x, side * f.y, z]);
        view.line(context, [posts[i][0], side * f.net, posts[i][1]], [x, side * f.net, z]);
      });
      for (const [x, z] of posts) view.line(context, [x, side * f.y, z], [x, side * f.net, z]);
      context.strokeStyle = colour;
      context.lineWidth = 2.5;
      context.stroke();
    }
    lucy.pads.forEach(([x, y, big], i) => {
      if (!padIsActive(now, i) || view.depth([x, y, 0]) < 60) return;
      const [px, py, , scale] = view.to([x, y, 10]);
      context.beginPath();
      context.ellipse(px, py, (big ? 110 : 55) * scale, (big ? 110 : 55) * scale * 0.5, 0, 0, 7);
      context.fillStyle = colours.pad;
      context.fill();
    });
    const things = [{ depth: view.depth(now.ball), draw: () => ballInSpace(context, view, now, colours) }];
    now.cars.forEach((car, i) => {
      if (car.there)
        things.push({ depth: view.depth(car.place), draw: () => carInSpace(context, view, car, i, colours) });
    });
    things.sort((a, b) => b.depth - a.depth).forEach((thing) => thing.draw());
  }

  function shadow(context, view, place, size, colours) {
    const ground = [place[0], place[1], 2];
    if (view.depth(ground) < 60) return;
    const [px, py, , scale] = view.to(ground);
    context.beginPath();
    context.ellipse(px, py, size * scale, size * scale * 0.5, 0, 0, 7);
    context.fillStyle = colours.shadow;
    context.fill();
  }

  function tailInSpace(context, view, points, colour, thick) {
    for (let i = 1; i < points.length; i++) {
      context.globalAlpha = 0.55 * (1 - i / points.length);
      context.beginPath();
      view.line(context, points[i - 1], points[i]);
      context.strokeStyle = colour;
      context.lineWidth = thick;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  function ballInSpace(context, view, now, colours) {
    shadow(context, view, now.ball, 95, colours);
    tailInSpace(context, view, trail(0, state.seconds), colours.muted, 3);
    const [px, py, depth, scale] = view.to(now.ball);
    if (depth < 60) return;
    const radius = Math.max(93 * scale, 4);
    const light = context.createRadialGradient(px - radius / 3, py - radius / 3, radius / 6, px, py, radius);
    light.addColorStop(0, "#ffffff");
    light.addColorStop(1, colours.dark ? "#8d97a5" : "#b7c0cb");
    disc(context, px, py, radius, light, colours.ink);
  }

  function carInSpace(context, view, car, index, colours) {
    shadow(context, view, car.place, 90, colours);
    tailInSpace(context, view, trail(HEAD + index * CAR, state.seconds), colours[car.about.team], 2.5);
    const size = state.follow < 0 ? 1.7 : 1.1, half = [62 * size, 44 * size, 20 * size];
    const right = lucy.cross(car.up, car.forward);
    const corner = (a, b, c) => [0, 1, 2].map((i) =>
      car.place[i] + a * half[0] * car.forward[i] + b * half[1] * right[i] + (c * half[2] + 8) * car.up[i]);
    const faces = [
      [[1, 1, 1], [1, -1, 1], [-1, -1, 1], [-1, 1, 1], car.up, 1],
      [[1, 1, -1], [1, -1, -1], [-1, -1, -1], [-1, 1, -1], car.up.map((v) => -v), 0.45],
      [[1, 1, 1], [1, -1, 1], [1, -1, -1], [1, 1, -1], car.forward, 0.9],
      [[-1, 1, 1], [-1, -1, 1], [-1, -1, -1], [-1, 1, -1], car.forward.map((v) => -v), 0.6],
      [[1, 1, 1], [-1, 1, 1], [-1, 1, -1], [1, 1, -1], right, 0.75],
      [[1, -1, 1], [-1, -1, 1], [-1, -1, -1], [1, -1, -1], right.map((v) => -v), 0.75],
    ];
    for (const [a, b, c, d, normal, light] of faces) {
      const toEye = [0, 1, 2].map((i) => view.eye[i] - car.place[i] - normal[i] * half[2]);
      if (lucy.dot(normal, toEye) <= 0) continue;
      if (!view.polygon(context, [a, b, c, d].map((v) => corner(...v)))) continue;
      context.fillStyle = shade(colours[car.about.team], light);
      context.fill();
      context.strokeStyle = colours.floor;
      context.lineWidth = 0.8;
      context.stroke();
    }
    const [px, py, depth] = view.to([car.place[0], car.place[1], car.place[2] + 130]);
    if (depth > 60) label(context, car, px, py, colours);
  }

  function shade(colour, light) {
    const value = [1, 3, 5].map((i) => Math.round(parseInt(colour.slice(i, i + 2), 16) * light));
    return `rgb(${value.join(",")})`;
  }

  function draw() {
    const { context, width, height } = lucy.fit(state.canvas);
    const colours = lucy.colours(), now = at(state.seconds);
    context.fillStyle = colours.grass;
    context.fillRect(0, 0, width, height);
    (state.view === "3d" ? drawSpace : drawAbove)(context, width, height, now, colours);
    state.parts.score.textContent = `${now.score[0]} : ${now.score[1]}`;
    state.parts.clock.textContent = clock(state.seconds) + " / " + clock(game.steps * game.stepSeconds);
    if (document.activeElement !== state.parts.scrub || state.playing)
      state.parts.scrub.value = state.seconds;
    state.parts.scrub.setAttribute("aria-valuetext", clock(state.seconds));
    moveCursor();
  }

  function clock(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }

  function frame(moment) {
    request = null;
    if (!state || !state.canvas.isConnected) return close();
    state.elapsed = Math.min((moment - (state.moment || moment)) / 1000, 0.25);
    state.moment = moment;
    if (state.playing) {
      state.frames.push(moment);
      while (moment - state.frames[0] > 2000) state.frames.shift();
      state.seconds += state.elapsed * state.speed;
      if (state.seconds >= last()) {
        state.seconds = last();
        play(false);
      }
    }
    draw();
    request = requestAnimationFrame(frame);
  }

  const last = () => (game.steps - 1) * game.stepSeconds;

  function play(on) {
    if (on && state.seconds >= last()) seek(0);
    state.playing = on;
    state.frames = [];
    state.parts.play.textContent = on ? "Pause" : "Play";
    state.parts.play.setAttribute("aria-pressed", String(on));
    if (!on) keep();
  }

  function seek(seconds) {
    state.seconds = Math.min(Math.max(seconds, 0), last());
    state.jumped = true;
    keep();
  }

  // The moment, view, speed and followed car belong to the address too
  function keep() {
    clearTimeout(state.keeping);
    state.keeping = setTimeout(() => {
      if (!state || !state.canvas.isConnected) return;
      const query = new URLSearchParams(window.location.search);
      const put = (name, value, plain) => (value === plain ? query.delete(name) : query.set(name, value));
      put("at", Math.round(state.seconds), 0);
      put("view", state.view, "above");
      put("speed", state.speed, 1);
      put("follow", state.follow, -1);
      const text = query.toString();
      history.replaceState(history.state, "", location.pathname + (text ? "?" + text : ""));
    }, 250);
  }

  function moveCursor() {
    const plot = document.querySelector("#play-timeline .js-plotly-plot");
    const axis = plot && plot._fullLayout && plot._fullLayout.xaxis;
    if (!axis || !axis.l2p) return;
    let cursor = plot.querySelector(".time-cursor");
    if (!cursor) {
      cursor = document.createElement("div");
      cursor.className = "time-cursor";
      plot.style.position = "relative";
      plot.appendChild(cursor);
      listen(plot);
    }
    const x = axis.l2p(state.seconds), size = plot._fullLayout._size;
    cursor.style.display = x < 0 || x > axis._length ? "none" : "block";
    cursor.style.transform = `translateX(${axis._offset + x}px)`;
    cursor.style.top = size.t + "px";
    cursor.style.height = size.h + "px";
  }

  // A click on the timeline jumps there; a drag is Plotly's, and zooms
  function listen(plot) {
    let down = null;
    plot.addEventListener("mousedown", (event) => { down = event.clientX; }, true);
    window.addEventListener("mouseup", (event) => {
      const axis = plot._fullLayout && plot._fullLayout.xaxis;
      if (down === null || !plot.isConnected || !axis || Math.abs(event.clientX - down) > 4) {
        down = null;
        return;
      }
      down = null;
      const box = plot.getBoundingClientRect();
      const x = event.clientX - box.left - axis._offset, y = event.clientY - box.top;
      const size = plot._fullLayout._size;
      if (x >= 0 && x <= axis._length && y >= size.t && y <= size.t + size.h) seek(axis.p2l(x));
    }, true);
  }

  function close() {
    if (request !== null) cancelAnimationFrame(request);
    request = null;
    state = null;
    game = null;
  }

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function choices(label, values, chosen, onChange) {
    const select = make("select", { onchange: () => onChange(select.value) });
    values.forEach(([value, text]) => {
      select.append(make("option", { value, textContent: text, selected: String(value) === String(chosen) }));
    });
    return make("label", {}, make("span", { textContent: label }), select);
  }

  function build(stage) {
    const query = new URLSearchParams(window.location.search);
    const speed = Number(query.get("speed")), follow = Number(query.get("follow") ?? -1);
    state = {
      playing: false, frames: [], names: game.cars.length < 9, camera: null, jumped: true,
      seconds: Math.min(Math.max(Number(query.get("at")) || 0, 0), last()),
      view: query.get("view") === "3d" ? "3d" : "above",
      speed: SPEEDS.includes(speed) ? speed : 1,
      follow: Number.isInteger(follow) && follow < game.cars.length ? follow : -1,
    };
    const canvas = make("canvas", { className: "stage", tabIndex: 0 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${game.blue} against ${game.orange}. Space plays and pauses, arrows move in time.`);
    const parts = {
      play: make("button", { type: "button", className: "main", onclick: () => play(!state.playing) }),
      scrub: make("input", {
        type: "range", min: 0, max: last(), step: game.stepSeconds, value: state.seconds,
        oninput: () => seek(Number(parts.scrub.value)),
      }),
      clock: make("span", { className: "clock" }),
      score: make("strong", { className: "score" }),
    };
    parts.scrub.setAttribute("aria-label", "Time");
    const views = choices("View", [["above", "from above"], ["3d", "3D"]], state.view, (value) => {
      state.view = value;
      state.camera = null;
      keep();
    });
    const speeds = choices("Speed", SPEEDS.map((v) => [v, v + "×"]), state.speed, (value) => {
      state.speed = Number(value);
      keep();
    });
    const cars = [[-1, "nobody"], ...game.cars.map((car, i) => [i, `${car.name} (${car.team})`])];
    const followed = choices("Follow", cars, state.follow, (value) => {
      state.follow = Number(value);
      state.camera = null;
      keep();
    });
    const picture = make("button", { type: "button", textContent: "PNG", onclick: () => {
      canvas.toBlob((blob) => {
        const address = URL.createObjectURL(blob);
        make("a", { href: address, download: "lucy-play.png" }).click();
        setTimeout(() => URL.revokeObjectURL(address), 1000);
      });
    } });
    const board = make("div", { className: "board" },
      make("span", { className: "team-blue", textContent: game.blue }), parts.score,
      make("span", { className: "team-orange", textContent: game.orange }));
    stage.replaceChildren(board, canvas,
      make("div", { className: "player" }, parts.play, parts.scrub, parts.clock, views, speeds, followed, picture));
    Object.assign(state, { canvas, parts });
    canvas.addEventListener("keydown", (event) => {
      const jumps = { ArrowLeft: -1, ArrowRight: 1 };
      if (event.key === " ") play(!state.playing);
      else if (event.key in jumps) seek(state.seconds + jumps[event.key] * (event.shiftKey ? 10 : 1));
      else return;
      event.preventDefault();
    });
    play(false);
    request = requestAnimationFrame(frame);
  }

  async function open(address) {
    const stage = document.getElementById("play-stage");
    if (!stage) return;
    close();
    if (!address) {
      stage.replaceChildren();
      return;
    }
    stage.dataset.address = address;
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
      const buffer = await answer.arrayBuffer();
      if (stage.dataset.address !== address || !stage.isConnected) return;  // another was chosen
      game = parse(buffer);
      build(stage);
    } catch (error) {
      stage.replaceChildren(make("p", { className: "stage-error", textContent: error.message }));
    }
  }

  window.lucy = window.lucy || {};
  lucy.play = {
    seek: (seconds) => state && seek(seconds),
    look: () => state && {
      seconds: state.seconds, playing: state.playing, cars: at(state.seconds).cars.length,
      ball: at(state.seconds).ball,
      framesPerSecond: state.frames.length > 1
        ? 1000 * (state.frames.length - 1) / (state.frames[state.frames.length - 1] - state.frames[0]) : 0,
    },
  };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.lucyPlay = {
    open: function (address) {
      open(address);
      return window.dash_clientside.no_update;
    },
  };
})();
