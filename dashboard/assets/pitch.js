// The field, seen from above and in space; what the playback and the reward's shapes draw on
window.lucy = window.lucy || {};
lucy.field = { x: 4096, y: 5120, net: 6000, z: 2044, cut: 1152, goalX: 892.755, goalZ: 642.775 };
lucy.pads = [
  [0, -4240], [-1792, -4184], [1792, -4184], [-3072, -4096, 1], [3072, -4096, 1], [-940, -3308],
  [940, -3308], [0, -2816], [-3584, -2484], [3584, -2484], [-1788, -2300], [1788, -2300],
  [-2048, -1036], [0, -1024], [2048, -1036], [-3584, 0, 1], [-1024, 0], [1024, 0], [3584, 0, 1],
  [-2048, 1036], [0, 1024], [2048, 1036], [-1788, 2300], [1788, 2300], [-3584, 2484],
  [3584, 2484], [0, 2816], [-940, 3310], [940, 3308], [-3072, 4096, 1], [3072, 4096, 1],
  [-1792, 4184], [1792, 4184], [0, 4240],
];
lucy.outline = (function () {
  const f = lucy.field, nearY = f.y - f.cut, nearX = f.x - f.cut;
  return [
    [f.x, nearY], [nearX, f.y], [f.goalX, f.y], [f.goalX, f.net], [-f.goalX, f.net],
    [-f.goalX, f.y], [-nearX, f.y], [-f.x, nearY], [-f.x, -nearY], [-nearX, -f.y],
    [-f.goalX, -f.y], [-f.goalX, -f.net], [f.goalX, -f.net], [f.goalX, -f.y], [nearX, -f.y],
    [f.x, -nearY],
  ];
})();
lucy.colours = function () {
  const dark = document.documentElement.getAttribute("data-mantine-color-scheme") === "dark";
  return dark
    ? { dark, grass: "#161b22", floor: "#1d242d", line: "#3b4653", soft: "#2a323c", ink: "#e9ecf1",
        muted: "#98a3b0", ball: "#f2f4f7", shadow: "rgba(0,0,0,.55)", pad: "#d9b84a",
        blue: "#5a97ff", orange: "#ff9a40" }
    : { dark, grass: "#eef1f5", floor: "#ffffff", line: "#aab4c0", soft: "#dfe4ea", ink: "#161a20",
        muted: "#5b6470", ball: "#ffffff", shadow: "rgba(22,26,32,.25)", pad: "#c39b22",
        blue: "#1f66e0", orange: "#e8730c" };
};
// A canvas as sharp as the screen; returns its size in CSS pixels
lucy.fit = function (canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
};
// From above, blue attacks to the right, so that a wide window is used; +x is up
lucy.Above = class {
  constructor(width, height, centre, zoom) {
    const margin = 300;
    const scale = Math.min(width / (2 * lucy.field.net + margin), height / (2 * lucy.field.x + margin));
    this.scale = scale * (zoom || 1);
    this.middle = [width / 2, height / 2];
    this.centre = centre || [0, 0];
    this.axes = [0, 1];
    this.outline = lucy.outline;
  }
  to(x, y) {
    return [
      this.middle[0] + (y - this.centre[1]) * this.scale,
      this.middle[1] - (x - this.centre[0]) * this.scale,
    ];
  }
  turned(forward) {
    return Math.atan2(-forward[0], forward[1]);
  }
  from(px, py) {
    return [
      this.centre[0] - (py - this.middle[1]) / this.scale,
      this.centre[1] + (px - this.middle[0]) / this.scale,
    ];
  }
  path(context, points, closed) {
    context.beginPath();
    points.forEach((point, i) => {
      const [px, py] = this.to(point[0], point[1]);
      if (i) context.lineTo(px, py);
      else context.moveTo(px, py);
    });
    if (closed) context.closePath();
  }
  field(context, colours, fill) {
    const f = lucy.field;
    if (fill) {
      this.path(context, lucy.outline, true);
      context.fillStyle = colours.floor;
      context.fill();
    }
    context.strokeStyle = colours.soft;
    context.lineWidth = 1;
    this.path(context, [[f.x, 0], [-f.x, 0]]);
    context.stroke();
    context.beginPath();
    const [cx, cy] = this.to(0, 0);
    context.arc(cx, cy, 1000 * this.scale, 0, 7);
    context.stroke();
    this.path(context, lucy.outline, true);
    context.strokeStyle = colours.line;
    context.lineWidth = 1.5;
    context.stroke();
    for (const [side, colour] of [[-1, colours.blue], [1, colours.orange]]) {
      this.path(context, [
        [f.goalX, side * f.y], [f.goalX, side * f.net], [-f.goalX, side * f.net], [-f.goalX, side * f.y],
      ]);
      context.strokeStyle = colour;
      context.lineWidth = 3;
      context.stroke();
    }
  }
  car(context, place, forward, size, fill, edge) {
    const [px, py] = this.to(...this.axes.map((axis) => place[axis]));
    context.save();
    context.translate(px, py);
    context.rotate(this.turned(forward));
    const length = Math.max(size * this.scale, 17), width = length * 0.62;
    context.beginPath();
    context.moveTo(length / 2, 0);
    context.lineTo(length / 4, width / 2);
    context.lineTo(-length / 2, width / 2);
    context.lineTo(-length / 2, -width / 2);
    context.lineTo(length / 4, -width / 2);
    context.closePath();
    context.fillStyle = fill;
    context.fill();
    context.strokeStyle = edge;
    context.lineWidth = 1.4;
    context.stroke();
    context.restore();
  }
};
// From beside: along the field ("yz", blue attacks to the right) or across it ("xz", as blue's
// goal sees it); coordinates are those of the plane
lucy.Beside = class extends lucy.Above {
  constructor(width, height, axes) {
    super(width, height);
    const f = lucy.field, along = axes === "yz";
    const half = along ? f.net : f.x;
    this.scale = Math.min(width / (2 * half + 500), height / (f.z + 500));
    this.floor = height / 2 + (f.z / 2) * this.scale;
    this.way = along ? 1 : -1;
    this.axes = along ? [1, 2] : [0, 2];
    this.outline = along
      ? [[-f.net, 0], [f.net, 0], [f.net, f.goalZ], [f.y, f.goalZ], [f.y, f.z], [-f.y, f.z],
          [-f.y, f.goalZ], [-f.net, f.goalZ]]
      : [[-f.x, 0], [f.x, 0], [f.x, f.z], [-f.x, f.z]];
  }
  to(across, up) {
    return [this.middle[0] + this.way * across * this.scale, this.floor - up * this.scale];
  }
  from(px, py) {
    return [this.way * (px - this.middle[0]) / this.scale, (this.floor - py) / this.scale];
  }
  turned(forward) {
    const [across, up] = this.axes.map((axis) => forward[axis]);
    return Math.atan2(-up, this.way * across);
  }
  field(context, colours) {
    const f = lucy.field;
    const line = (points, colour, width) => {
      this.path(context, points);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    };
    line([...this.outline, this.outline[0]], colours.line, 1.5);
    if (this.way > 0) {
      line([[-f.y, 0], [-f.net, 0], [-f.net, f.goalZ], [-f.y, f.goalZ]], colours.blue, 3);
      line([[f.y, 0], [f.net, 0], [f.net, f.goalZ], [f.y, f.goalZ]], colours.orange, 3);
    } else {
      line([[-f.goalX, 0], [-f.goalX, f.goalZ], [f.goalX, f.goalZ], [f.goalX, 0]], colours.orange, 3);
    }
  }
};
// In space: a pinhole camera that looks from one place to another
lucy.Space = class {
  constructor(width, height, eye, target) {
    const forward = lucy.unit([target[0] - eye[0], target[1] - eye[1], target[2] - eye[2]]);
    this.forward = forward;
    this.right = lucy.unit(lucy.cross([0, 0, 1], forward));
    this.up = lucy.cross(forward, this.right);
    this.eye = eye;
    this.focal = 1.15 * Math.min(width * 0.62, height);
    this.middle = [width / 2, height / 2];
  }
  depth(point) {
    const e = this.eye, f = this.forward;
    return (point[0] - e[0]) * f[0] + (point[1] - e[1]) * f[1] + (point[2] - e[2]) * f[2];
  }
  to(point) {
    const d = [point[0] - this.eye[0], point[1] - this.eye[1], point[2] - this.eye[2]];
    const depth = lucy.dot(d, this.forward);
    const scale = this.focal / Math.max(depth, 1);
    return [
      this.middle[0] + lucy.dot(d, this.right) * scale,
      this.middle[1] - lucy.dot(d, this.up) * scale,
      depth, scale,
    ];
  }
  // A line from one point to another, without the part behind the camera
  line(context, from, to) {
    const near = 40;
    let a = from, b = to;
    const da = this.depth(a), db = this.depth(b);
    if (da < near && db < near) return;
    if (da < near || db < near) {
      const share = (near - da) / (db - da);
      const cut = [0, 1, 2].map((i) => a[i] + share * (b[i] - a[i]));
      if (da < near) a = cut;
      else b = cut;
    }
    const [ax, ay] = this.to(a), [bx, by] = this.to(b);
    context.moveTo(ax, ay);
    context.lineTo(bx, by);
  }
  polygon(context, points) {
    if (points.some((point) => this.depth(point) < 40)) return false;
    context.beginPath();
    points.forEach((point, i) => {
      const [px, py] = this.to(point);
      if (i) context.lineTo(px, py);
      else context.moveTo(px, py);
    });
    context.closePath();
    return true;
  }
};
lucy.dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
lucy.cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
];
lucy.unit = (a) => {
  const length = Math.hypot(a[0], a[1], a[2]) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
};
