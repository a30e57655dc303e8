import type { Texts } from '../en.ts';

export const bundleTexts: Pick<Texts, 'bundle'> = {
  bundle: {
    open: 'Bündel öffnen …', choose: 'Bündel öffnen', dropped: 'Ein Browser sagt nicht, wo eine abgelegte Datei liegt. Wähle sie hier aus.',
    title: '{{name}} ausführen?', looking: 'Das Bündel wird angesehen …', run: 'Ausführen',
    signature: 'Signatur',
    signedBy: { known: 'Signiert von {{name}}', own: 'Signiert von diesem Computer', unknown: 'Signiert von jemandem, den du noch nicht kennst', unsigned: 'Niemand hat es signiert' },
    signerHint: {
      known: 'Es ist so, wie es dort gemacht wurde.', own: 'Es wurde hier exportiert, und niemand hat es seitdem verändert.',
      unknown: 'Niemand hat es verändert, seit es signiert wurde. Ob es von dem kommt, den du erwartest, kann nur dieser dir sagen: Vergleicht diesen Fingerabdruck.',
      unsigned: 'Es kann von irgendwem kommen. Führe es nur aus, wenn du der Quelle vertraust.',
    },
    rememberSigner: 'Den Unterzeichner merken als', rememberSignerHint: 'Weitere Bündel von dort werden unter diesem Namen gezeigt. Lass es leer, um es ein andermal zu entscheiden.',
    mayTouch: 'Was die Maschine berühren darf',
    touch: {
      internet: 'Das Internet und dein Netzwerk', loopback: 'Dienste dieses Computers selbst', loopbackPort: 'Dienste dieses Computers selbst, Port {{port}}', machines: 'Andere Maschinen im Netzwerk „{{network}}“',
      forward: 'Ein Port dieses Computers führt hinein: {{port}}', openForward: 'Ein Port, der anderen offensteht, führt hinein: {{port}}',
    },
    touchesNothing: 'Nichts außer ihren eigenen Festplatten', touchesNoFiles: 'Keine Dateien von dir: nur ihre eigenen Festplatten',
    size: 'Größe', sizes: '{{file}}, ausgepackt {{unpacked}}', begins: 'Beginnt', goesOn: 'Da, wo sie gesichert wurde', startsAnew: 'Mit dem Hochfahren', snapshots: '(mit {{number}} Sicherungspunkten)',
    inPlace: 'Sie läuft, ohne ausgepackt zu werden. Die Datei bleibt, wie sie ist; geht die Maschine aus, behältst du, was sich geändert hat, oder verwirfst es.',
    mustImport: 'Sie startet einen eigenen Kernel und kann nicht an Ort und Stelle laufen: Importiere sie.',
    endTitle: 'Behalten, was {{name}} geändert hat?', endText: 'Sie lief in ihrem Bündel, das unverändert ist:', endCrashed: 'Sie ist abgestürzt. Sie lief in ihrem Bündel, das unverändert ist:',
    keep: 'Behalten', later: 'Später entscheiden', discard: 'Verwerfen', keepHint: 'Behalten: Alles Nötige wird aus dem Bündel kopiert, und sie ist eine eigene Maschine.',
    laterHint: 'Später entscheiden: Ihre Änderungen bleiben neben dem Bündel, und sie geht von dort weiter.', discardHint: 'Verwerfen: Sie verlässt die Bibliothek mit allem, was sie geändert hat. Das lässt sich nicht rückgängig machen.',
    keeping: 'Wird aus dem Bündel kopiert', kept: '{{name}} ist jetzt eine Maschine deiner Bibliothek',
    runsIn: 'Bündel', runsInText: 'Sie läuft in einem Bündel und behält ihre Änderungen daneben:', decide: 'Behalten oder verwerfen …',
  },
};
