export const bundleTexts = {
  bundle: {
    open: 'Open a bundle…', choose: 'Open a bundle', dropped: 'A browser doesn’t say where a dropped file lies. Choose it here.',
    title: 'Run {{name}}?', looking: 'Looking into the bundle…', run: 'Run',
    signature: 'Signature',
    signedBy: { known: 'Signed by {{name}}', own: 'Signed by this computer', unknown: 'Signed by somebody you don’t know yet', unsigned: 'Nobody has signed it' },
    signerHint: {
      known: 'It is as they have made it.', own: 'It was exported here, and nobody has changed it since.',
      unknown: 'Nobody has changed it since it was signed. Whether it comes from whom you expect, only they can tell you: compare this fingerprint.',
      unsigned: 'It may come from anybody. Run it only if you trust where you got it.',
    },
    rememberSigner: 'Remember the signer as', rememberSignerHint: 'Their next bundles are shown under this name. Leave it empty to decide another time.',
    mayTouch: 'What its machine may touch',
    touch: {
      internet: 'The internet and your network', loopback: 'Services of this computer itself', loopbackPort: 'Services of this computer itself, port {{port}}', machines: 'Other machines, on the network “{{network}}”',
      forward: 'A port of this computer leads into it: {{port}}', openForward: 'A port that is open to others leads into it: {{port}}',
    },
    touchesNothing: 'Nothing but its own disks', touchesNoFiles: 'No files of yours: only its own disks',
    size: 'Size', sizes: '{{file}}, unpacked {{unpacked}}', begins: 'Begins', goesOn: 'Where it was saved', startsAnew: 'By starting up', snapshots: '(with {{number}} snapshots)',
    inPlace: 'It runs without being unpacked. The file stays as it is; when the machine goes off you keep what has changed, or discard it.',
    mustImport: 'It boots a kernel of its own and can’t run in place: import it.',
    endTitle: 'Keep what {{name}} has changed?', endText: 'It ran in its bundle, which is as it was:', endCrashed: 'It crashed. It ran in its bundle, which is as it was:',
    keep: 'Keep', later: 'Decide later', discard: 'Discard', keepHint: 'Keep: all that it needs is copied from the bundle, and it is a machine of its own.',
    laterHint: 'Decide later: its changes stay beside the bundle, and it goes on from there.', discardHint: 'Discard: it leaves the library with all that it changed. This can’t be undone.',
    keeping: 'Copying from the bundle', kept: '{{name}} is a machine of your library now',
    runsIn: 'Bundle', runsInText: 'It runs in a bundle and keeps its changes beside it:', decide: 'Keep or discard…',
  },
} as const;
